// Forms as browsers, curl and iPXE send them: urlencoded (WHATWG URL §5.1) and multipart (RFC
// 7578).
#include "base/strings.h"
#include "net/http_message.h"

namespace planetbox {

Result<FormFields> parse_form(std::string_view text, size_t max_fields) {
    FormFields fields;
    while (!text.empty()) {
        size_t end = text.find('&');
        std::string_view pair = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (pair.empty()) continue;
        if (fields.size() >= max_fields)
            return fail(Code::kTooLarge, strf("form: above %zu fields", max_fields));
        size_t equals = pair.find('=');
        auto name = url_decode(pair.substr(0, equals), true);
        auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                      : url_decode(pair.substr(equals + 1), true);
        if (!name || !value)
            return fail(Code::kInvalid, strf("form: field %zu holds a broken %% escape; "
                                             "write %% as %%25",
                                             fields.size() + 1));
        fields.emplace_back(std::move(*name), std::move(*value));
    }
    return fields;
}

namespace {

// A parameter of a header value: parameter(`form-data; name="a"`, "name") is "a".  Quoted strings
// may hold backslash escapes; browsers send %22 for a quote, which stays as it is.
std::optional<std::string> parameter(std::string_view header, std::string_view wanted) {
    size_t at = header.find(';');
    while (at < header.size()) {
        header.remove_prefix(at + 1);
        size_t equals = header.find('=');
        if (equals == std::string_view::npos) return std::nullopt;
        std::string_view name = trim(header.substr(0, equals));
        header.remove_prefix(equals + 1);
        while (!header.empty() && (header.front() == ' ' || header.front() == '\t'))
            header.remove_prefix(1);
        std::string value;
        if (header.starts_with('"')) {
            size_t i = 1;
            for (; i < header.size() && header[i] != '"'; ++i) {
                if (header[i] == '\\' && i + 1 < header.size()) ++i;
                value.push_back(header[i]);
            }
            if (i >= header.size()) return std::nullopt;  // the quote never ends
            header.remove_prefix(i + 1);
            at = header.find(';');
        } else {
            at = header.find(';');
            value = std::string(trim(header.substr(0, at)));
        }
        if (iequals_ascii(name, wanted)) return value;
    }
    return std::nullopt;
}

std::string_view media_type(std::string_view content_type) {
    return trim(content_type.substr(0, content_type.find(';')));
}

// The name of a part, from its header lines.
Result<std::string> part_name(std::string_view head) {
    while (!head.empty()) {
        size_t end = head.find("\r\n");
        std::string_view line = head.substr(0, end);
        head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
        auto field = split_once(line, ':');
        if (!field || !iequals_ascii(trim(field->first), "content-disposition")) continue;
        if (!iequals_ascii(media_type(field->second), "form-data")) break;
        if (auto name = parameter(field->second, "name")) return *name;
        break;
    }
    return fail(Code::kInvalid, "form: a part without Content-Disposition: form-data; name=…");
}

Result<FormFields> parse_multipart(std::string_view body, const std::string& boundary,
                                   size_t max_fields) {
    if (boundary.empty() || boundary.size() > 70)  // RFC 2046 §5.1.1
        return fail(Code::kInvalid, "form: the boundary is not 1 to 70 characters");
    auto broken = [] {
        return fail(Code::kInvalid, "form: the multipart body is cut off or broken");
    };
    std::string delimiter = str_cat("--", boundary);
    std::string separator = str_cat("\r\n", delimiter);
    // What precedes the first delimiter is a preamble, without meaning.
    if (body.starts_with(delimiter)) {
        body.remove_prefix(delimiter.size());
    } else {
        size_t first = body.find(separator);
        if (first == std::string_view::npos) return broken();
        body.remove_prefix(first + separator.size());
    }
    FormFields fields;
    while (!body.starts_with("--")) {
        size_t line_end = body.find("\r\n");  // after optional white space
        if (line_end == std::string_view::npos || !trim(body.substr(0, line_end)).empty())
            return broken();
        body.remove_prefix(line_end);  // keeps the CRLF: a part without headers begins CRLF CRLF
        size_t head_end = body.find("\r\n\r\n");
        if (head_end == std::string_view::npos) return broken();
        if (fields.size() >= max_fields)
            return fail(Code::kTooLarge, strf("form: above %zu fields", max_fields));
        std::string_view head = body.substr(0, head_end);
        if (head.starts_with("\r\n")) head.remove_prefix(2);
        std::string name = TRY(part_name(head));
        body.remove_prefix(head_end + 2);  // keeps one CRLF: an empty value ends in it
        size_t end = body.find(separator);
        if (end == std::string_view::npos) return broken();
        fields.emplace_back(std::move(name), end < 2 ? "" : std::string(body.substr(2, end - 2)));
        body.remove_prefix(end + separator.size());
    }
    return fields;
}

}  // namespace

Result<FormFields> parse_form_body(const HttpRequest& request, size_t max_fields) {
    std::string_view header = request.headers.get("content-type").value_or("");
    std::string_view type = media_type(header);
    if (iequals_ascii(type, "application/x-www-form-urlencoded"))
        return parse_form(request.body, max_fields);
    if (iequals_ascii(type, "multipart/form-data")) {
        auto boundary = parameter(header, "boundary");
        if (!boundary) return fail(Code::kInvalid, "form: multipart/form-data without a boundary");
        return parse_multipart(request.body, *boundary, max_fields);
    }
    if (request.body.empty()) return FormFields();
    return fail(Code::kInvalid,
                str_cat("form: the body is \"", printable(type, 60),
                        "\"; send application/x-www-form-urlencoded or multipart/form-data"));
}

}  // namespace planetbox
