// The head of a response as bytes.
#pragma once

#include <string>
#include <string_view>

#include "net/http_message.h"

namespace planetbox {

struct ResponseFraming {
    std::string_view date;
    bool keep_alive = true;
    bool http_1_0 = false;
    uint64_t content_length = 0;
};

// False for statuses that never have a body (204, 304).
bool status_has_body(int status);

// Appends status line and fields.  Content-Length, Date and Connection come from `framing`; what
// the handler set of these is left out, and line breaks inside a value become spaces, so that no
// value can start a field of its own.
void append_response_head(const HttpResponse& response, const ResponseFraming& framing,
                          std::string* out);

}  // namespace planetbox
