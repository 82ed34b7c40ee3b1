#include "boot/file_answer.h"

#include "base/strings.h"
#include "crypto/hash.h"

namespace planetbox {

std::string_view content_type_of(std::string_view name) {
    if (name.ends_with(".ipxe")) return "text/plain; charset=us-ascii";
    if (name.ends_with(".json")) return "application/json; charset=utf-8";
    return "application/octet-stream";
}

HttpResponse text_answer(const HttpRequest& request, std::string text,
                         std::string_view content_type) {
    HttpResponse response;
    const std::string etag = str_cat("\"", sha256_hex(text), "\"");
    response.headers.add("ETag", etag);
    response.headers.add("Content-Type", std::string(content_type));
    const auto known = request.headers.get("If-None-Match");
    if (known && *known == etag)
        response.status = 304;
    else
        response.body = std::move(text);
    return response;
}

}  // namespace planetbox
