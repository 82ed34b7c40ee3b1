// A file as an HTTP response: conditional requests, one byte range, HEAD (RFC 9110 §13, §14).
#pragma once

#include <string>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "net/http_message.h"

namespace planetbox {

struct FileMeta {
    std::string etag;  // the bare token (a SHA-256, say), without quotes; empty = none
    WallTime mtime{};  // zero = not known
    std::string content_type = "application/octet-stream";
};

// Answers GET and HEAD with 200, 206, 304 or 416; another method with 405; a file that cannot be
// examined with 500.  If-None-Match wins over If-Modified-Since; a Range whose If-Range no longer
// fits gets the whole file, so a resumed download never mixes two versions.
HttpResponse serve_file(const HttpRequest& request, UniqueFd fd, const FileMeta& meta);

}  // namespace planetbox
