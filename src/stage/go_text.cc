#include "stage/go_text.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"

namespace planetbox {

namespace {

// Go's %g with the shortest digits that read back as the same number: an exponent is written below
// 10^-4 and from 10^6 on; both Go and to_chars give it at least two digits.
std::string print_number(double value) {
    char buffer[64];
    auto result =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
    std::string_view scientific(buffer, static_cast<size_t>(result.ptr - buffer));
    const size_t e = scientific.find('e');
    if (e == std::string_view::npos) return std::string(scientific);
    const bool negative_exponent = scientific[e + 1] == '-';
    const int magnitude = static_cast<int>(parse_int(scientific.substr(e + 2)).value_or(0));
    const int exponent = negative_exponent ? -magnitude : magnitude;
    if (exponent < -4 || exponent >= 6) return std::string(scientific);
    result = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
    return std::string(buffer, static_cast<size_t>(result.ptr - buffer));
}

std::vector<std::pair<std::string_view, json::Value>> sorted_members(json::Value value) {
    auto members = value.members();
    std::stable_sort(members.begin(), members.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    // Of a doubled name the last counts, as in a Go map.
    std::vector<std::pair<std::string_view, json::Value>> out;
    for (const auto& member : members) {
        if (!out.empty() && out.back().first == member.first)
            out.back() = member;
        else
            out.push_back(member);
    }
    return out;
}

std::string_view go_type(json::Value value) {
    if (value.is_string()) return "string";
    if (value.is_number()) return "float64";
    if (value.is_bool()) return "bool";
    if (value.is_array()) return "[]interface {}";
    if (value.is_object()) return "map[string]interface {}";
    return "<nil>";
}

// %#v: Go syntax.
std::string go_syntax(json::Value value, bool nested) {
    if (value.is_string()) return go_quote(*value.as_string());
    if (value.is_array() || value.is_object()) {
        std::string out = str_cat(go_type(value), "{");
        bool first = true;
        for (json::Value item : value.items()) {
            out += str_cat(first ? "" : ", ", go_syntax(item, true));
            first = false;
        }
        for (const auto& [name, item] : sorted_members(value)) {
            out += str_cat(first ? "" : ", ", go_quote(name), ":", go_syntax(item, true));
            first = false;
        }
        return out + "}";
    }
    if (!value.is_number() && !value.is_bool()) return nested ? "interface {}(nil)" : "<nil>";
    return go_print(value);
}

}  // namespace

std::string go_print(json::Value value) {
    if (value.is_string()) return std::string(*value.as_string());
    if (value.is_number()) return print_number(*value.as_double());
    if (value.is_bool()) return *value.as_bool() ? "true" : "false";
    std::vector<std::string> pieces;
    if (value.is_array()) {
        for (json::Value item : value.items()) pieces.push_back(go_print(item));
        return str_cat("[", join(pieces, " "), "]");
    }
    if (value.is_object()) {
        for (const auto& [name, item] : sorted_members(value))
            pieces.push_back(str_cat(name, ":", go_print(item)));
        return str_cat("map[", join(pieces, " "), "]");
    }
    return "<nil>";
}

std::string go_describe(json::Value value) {
    return str_cat(go_type(value), " ", go_syntax(value, false));
}

std::string go_quote(std::string_view text) {
    constexpr std::string_view kNamed = "\a\b\f\n\r\t\v\\\"";
    constexpr std::string_view kLetters = "abfnrtv\\\"";
    std::string out = "\"";
    while (!text.empty()) {
        const char c = text[0];
        const unsigned char byte = static_cast<unsigned char>(c);
        size_t length = 1;
        if (size_t at = kNamed.find(c); at != std::string_view::npos) {
            out += {'\\', kLetters[at]};
        } else if (byte < 0x20 || byte == 0x7F) {
            out += strf("\\x%02x", byte);
        } else if (byte < 0x80) {
            out += c;
        } else {
            length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
            length = std::min(length, text.size());
            if (is_utf8(text.substr(0, length)) &&
                !(byte == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0)) {
                out += text.substr(0, length);
            } else if (is_utf8(text.substr(0, length))) {
                out += strf("\\u%04x", static_cast<unsigned char>(text[1]));
            } else {
                length = 1;
                out += strf("\\x%02x", byte);
            }
        }
        text.remove_prefix(length);
    }
    return out + "\"";
}

std::string go_quote(const std::vector<std::string>& words) {
    std::vector<std::string> quoted;
    for (const std::string& word : words) quoted.push_back(go_quote(word));
    return str_cat("[", join(quoted, " "), "]");
}

}  // namespace planetbox
