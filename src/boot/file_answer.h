// Content types by file name, and texts as answers with a known hash.
#pragma once

#include <string>
#include <string_view>

#include "net/http_message.h"

namespace planetbox {

// ".ipxe" → text/plain; charset=us-ascii, ".json" → application/json; charset=utf-8, others octets.
std::string_view content_type_of(std::string_view name);

// 200 with the text's SHA-256 as ETag, or 304.
HttpResponse text_answer(const HttpRequest& request, std::string text,
                         std::string_view content_type);

}  // namespace planetbox
