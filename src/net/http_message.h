// HTTP/1.1 messages as values, and the small grammars around them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/address.h"

namespace planetbox {

// Header fields in order; names compare without case.
class HttpHeaders {
public:
    void add(std::string name, std::string value) {
        fields_.emplace_back(std::move(name), std::move(value));
    }
    void set(std::string_view name, std::string value);                // replaces all of that name
    std::optional<std::string_view> get(std::string_view name) const;  // the first
    const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }
    void clear() { fields_.clear(); }

private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

// Name-value pairs of a query string or a form, in order.
using FormFields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
    std::string method;  // "GET"
    std::string target;  // as sent: "/v1/boot/h/stage1.ipxe?mac=…"
    std::string path;    // decoded, before '?'; never holds a NUL
    std::string query;   // raw, after '?'
    HttpHeaders headers;
    std::string body;
    Endpoint peer;
    bool tls = false;
    std::string tls_client;  // subject of a verified client certificate, else empty
};

// A part of a file as a body.  The server reads it as the client takes it.
struct FileBody {
    UniqueFd fd;
    uint64_t offset = 0;
    uint64_t length = 0;
};

struct HttpResponse {
    int status = 200;
    HttpHeaders headers;  // Content-Length, Date and Connection are the server's to add
    std::string body;
    std::optional<FileBody> file;

    static HttpResponse text(int status, std::string body);  // text/plain; charset=utf-8
    static HttpResponse json(int status, std::string body);  // application/json; charset=utf-8
};

std::string_view http_reason(int status);

std::string url_encode(std::string_view text);  // keeps RFC 3986 unreserved characters only
// %XX and, in forms, '+' for a space; nullopt on a broken escape.
std::optional<std::string> url_decode(std::string_view text, bool plus_is_space);
// "a=1&b=2"; broken escapes are kInvalid; at most `max_fields`.
Result<FormFields> parse_form(std::string_view text, size_t max_fields = 256);
// By Content-Type: application/x-www-form-urlencoded or multipart/form-data (RFC 7578; a part with
// a file name counts as a field).  Another type, or none, with an empty body yields no fields.
Result<FormFields> parse_form_body(const HttpRequest& request, size_t max_fields = 256);

struct Url {
    std::string scheme;          // "http", "https", "file"; lower case
    std::string host;            // without brackets
    uint16_t port = 0;           // the scheme's own when absent
    std::string path_and_query;  // starts with '/'
};
Result<Url> parse_url(std::string_view text);

// "bytes=0-499": the first range, clipped to `size`.  nullopt = no (usable) Range, send all;
// kInvalid = 416.  Several ranges are answered with the whole file (RFC 9110 allows that).
Result<std::optional<std::pair<uint64_t, uint64_t>>> parse_range(std::string_view header,
                                                                 uint64_t size);

}  // namespace planetbox
