#include "net/http_message.h"

#include <algorithm>

#include "base/strings.h"

namespace planetbox {

void HttpHeaders::set(std::string_view name, std::string value) {
    auto same = [&](const auto& field) { return iequals_ascii(field.first, name); };
    auto found = std::find_if(fields_.begin(), fields_.end(), same);
    if (found == fields_.end()) return add(std::string(name), std::move(value));
    found->second = std::move(value);
    fields_.erase(std::remove_if(found + 1, fields_.end(), same), fields_.end());
}

std::optional<std::string_view> HttpHeaders::get(std::string_view name) const {
    for (const auto& [key, value] : fields_)
        if (key.size() == name.size() && iequals_ascii(key, name)) return value;
    return std::nullopt;
}

static HttpResponse with_type(int status, std::string body, const char* type) {
    HttpResponse response;
    response.status = status;
    response.headers.add("Content-Type", type);
    response.body = std::move(body);
    return response;
}

HttpResponse HttpResponse::text(int status, std::string body) {
    return with_type(status, std::move(body), "text/plain; charset=utf-8");
}

HttpResponse HttpResponse::json(int status, std::string body) {
    return with_type(status, std::move(body), "application/json; charset=utf-8");
}

std::string_view http_reason(int status) {
    switch (status) {
        case 100:
            return "Continue";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 206:
            return "Partial Content";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
        case 308:
            return "Permanent Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 406:
            return "Not Acceptable";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Request Entity Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 416:
            return "Requested Range Not Satisfiable";
        case 417:
            return "Expectation Failed";
        case 421:
            return "Misdirected Request";
        case 422:
            return "Unprocessable Entity";
        case 426:
            return "Upgrade Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        case 507:
            return "Insufficient Storage";
        default:
            return "Status";
    }
}

// The last `bytes=` position of RFC 9110 §14.1.2; nullopt when it is no number.  More digits than a
// uint64 has mean "the end": a client that asks past the end gets what there is.
static std::optional<uint64_t> position(std::string_view digits) {
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    return parse_uint(digits).value_or(UINT64_MAX);
}

Result<std::optional<std::pair<uint64_t, uint64_t>>> parse_range(std::string_view header,
                                                                 uint64_t size) {
    using Range = std::optional<std::pair<uint64_t, uint64_t>>;
    auto unit = split_once(trim(header), '=');
    // What is not understood must be ignored, not refused.
    if (!unit || !iequals_ascii(unit->first, "bytes")) return Range();
    if (unit->second.find(',') != std::string_view::npos) return Range();
    auto ends = split_once(trim(unit->second), '-');
    if (!ends) return Range();
    auto nothing = [] { return fail(Code::kInvalid, "range: lies behind the end"); };
    if (ends->first.empty()) {  // "-N": the last N bytes
        auto count = position(ends->second);
        if (!count) return Range();
        if (*count == 0 || size == 0) return nothing();
        uint64_t length = std::min(*count, size);
        return Range({size - length, length});
    }
    auto first = position(ends->first);
    auto last = ends->second.empty() ? UINT64_MAX : position(ends->second);
    if (!first || !last || *last < *first) return Range();
    if (*first >= size) return nothing();
    return Range({*first, std::min(*last, size - 1) - *first + 1});
}

}  // namespace planetbox
