// Percent-encoding and URLs (RFC 3986), as far as HTTP needs them.
#include "base/bytes.h"
#include "base/strings.h"
#include "net/http_message.h"

namespace planetbox {

static bool is_unreserved(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

std::string url_encode(std::string_view text) {
    static constexpr char kDigits[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (is_unreserved(byte)) {
            out.push_back(c);
        } else {
            out.push_back('%');
            out.push_back(kDigits[byte >> 4]);
            out.push_back(kDigits[byte & 15]);
        }
    }
    return out;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> url_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '+' && plus_is_space) {
            out.push_back(' ');
        } else if (c == '%') {
            if (text.size() - i < 3) return std::nullopt;
            int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            out.push_back(static_cast<char>(high << 4 | low));
            i += 2;
        } else {
            out.push_back(c);
        }
    }
    return out;
}

static std::optional<uint16_t> default_port(std::string_view scheme) {
    if (scheme == "http") return 80;
    if (scheme == "https") return 443;
    if (scheme == "file") return 0;
    return std::nullopt;
}

// "host", "host:port", "[v6]", "[v6]:port" into url.
static const char* parse_authority(std::string_view authority, Url* url) {
    if (authority.find('@') != std::string_view::npos) return "user names are not supported";
    std::string_view port;
    if (authority.starts_with('[')) {
        size_t end = authority.find(']');
        if (end == std::string_view::npos) return "']' is missing";
        url->host = std::string(authority.substr(1, end - 1));
        auto address = IpAddress::parse(url->host);
        if (!address || url->host.find(':') == std::string::npos)
            return "what is in brackets is no IPv6 address";
        port = authority.substr(end + 1);
        if (!port.empty() && port.front() != ':') return "text after ']'";
    } else {
        size_t colon = authority.find(':');
        url->host = lower_ascii(authority.substr(0, colon));
        if (colon != std::string_view::npos) port = authority.substr(colon);
        for (char c : url->host)
            if (!is_unreserved(static_cast<unsigned char>(c))) return "bad character in the host";
    }
    if (port.size() <= 1) return nullptr;
    auto number = parse_uint(port.substr(1));
    if (!number || *number == 0 || *number > 65535)
        return "the port is not a number from 1 to 65535";
    url->port = static_cast<uint16_t>(*number);
    return nullptr;
}

Result<Url> parse_url(std::string_view text) {
    auto bad = [&](std::string_view why) {
        return fail(Code::kInvalid, str_cat("URL \"", printable(text), "\": ", why));
    };
    if (text.size() > 8192) return bad("is longer than 8192 bytes");
    for (char c : text)
        if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
            return bad("holds a space or a control character");
    size_t colon = text.find("://");
    if (colon == std::string_view::npos)
        return bad("does not start with http://, https:// or file://");
    Url url;
    url.scheme = lower_ascii(text.substr(0, colon));
    auto port = default_port(url.scheme);
    if (!port) return bad("the scheme is none of http, https, file");
    url.port = *port;
    std::string_view rest = text.substr(colon + 3);
    rest = rest.substr(0, rest.find('#'));
    size_t path = rest.find_first_of("/?");
    if (const char* why = parse_authority(rest.substr(0, path), &url)) return bad(why);
    if (url.host.empty() && url.scheme != "file") return bad("the host is missing");
    if (path != std::string_view::npos) url.path_and_query = std::string(rest.substr(path));
    if (!url.path_and_query.starts_with('/')) url.path_and_query.insert(0, 1, '/');
    return url;
}

}  // namespace planetbox
