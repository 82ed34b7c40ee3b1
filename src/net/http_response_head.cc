#include "net/http_response_head.h"

#include <charconv>

#include "base/strings.h"

namespace planetbox {

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

static void append_number(uint64_t value, std::string* out) {
    char digits[20];
    auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out->append(digits, static_cast<size_t>(end - digits));
}

static bool is_framing_field(std::string_view name) {
    switch (name.size()) {
        case 4:
            return iequals_ascii(name, "date");
        case 10:
            return iequals_ascii(name, "connection");
        case 14:
            return iequals_ascii(name, "content-length");
        case 17:
            return iequals_ascii(name, "transfer-encoding");
        default:
            return false;
    }
}

static void append_clean(std::string_view text, std::string* out) {
    size_t start = out->size();
    out->append(text);
    if (text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos) return;
    for (size_t i = start; i < out->size(); ++i) {
        char& c = (*out)[i];
        if (c == '\r' || c == '\n' || c == '\0') c = ' ';
    }
}

void append_response_head(const HttpResponse& response, const ResponseFraming& framing,
                          std::string* out) {
    out->append("HTTP/1.1 ");
    append_number(static_cast<uint64_t>(response.status), out);
    out->push_back(' ');
    out->append(http_reason(response.status));
    out->append("\r\nDate: ");
    out->append(framing.date);
    for (const auto& [name, value] : response.headers.all()) {
        if (is_framing_field(name)) continue;
        out->append("\r\n");
        append_clean(name, out);
        out->append(": ");
        append_clean(value, out);
    }
    if (status_has_body(response.status)) {
        out->append("\r\nContent-Length: ");
        append_number(framing.content_length, out);
    }
    if (!framing.keep_alive)
        out->append("\r\nConnection: close");
    else if (framing.http_1_0)
        out->append("\r\nConnection: keep-alive");
    out->append("\r\n\r\n");
}

}  // namespace planetbox
