#include "stage/go_template.h"

#include <optional>
#include <vector>

#include "base/strings.h"

namespace planetbox {

namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kNoValue = "<no value>";
constexpr std::string_view kKnownForms =
    "known are {{kargs `name`}}, {{.vars.name}}, {{.files.name.KEY}}, {{`text`}} and comments";

std::unexpected<Error> unknown_form(std::string_view body) {
    return fail(Code::kInvalid, str_cat("template: {{", printable(trim(body), 100),
                                        "}} is not understood; ", kKnownForms));
}

bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// "\n", "\"", "\x41", …: the escapes of a Go string in double quotes that make sense here.
bool unescape(std::string_view quoted, std::string& out) {
    for (size_t i = 0; i < quoted.size(); ++i) {
        if (quoted[i] == '\n' || quoted[i] == '"') return false;
        if (quoted[i] != '\\') {
            out += quoted[i];
            continue;
        }
        if (++i == quoted.size()) return false;
        switch (quoted[i]) {
            case 'n':
                out += '\n';
                break;
            case 't':
                out += '\t';
                break;
            case 'r':
                out += '\r';
                break;
            case '"':
            case '\\':
                out += quoted[i];
                break;
            default:
                return false;
        }
    }
    return true;
}

// A string literal that is all of `text`, in either of Go's forms.
std::optional<std::string> literal(std::string_view text) {
    if (text.size() < 2 || text.front() != text.back()) return std::nullopt;
    std::string_view inner = text.substr(1, text.size() - 2);
    if (text.front() == '`' && inner.find('`') == std::string_view::npos) return std::string(inner);
    std::string out;
    if (text.front() == '"' && unescape(inner, out)) return out;
    return std::nullopt;
}

// ".vars.name" → {"vars", "name"}; nullopt when it is no chain of fields.
std::optional<std::vector<std::string_view>> field_names(std::string_view text) {
    if (!text.starts_with('.') || text.size() < 2) return std::nullopt;
    std::vector<std::string_view> names = split(text.substr(1), '.');
    for (std::string_view name : names) {
        if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return std::nullopt;
        for (char c : name)
            if (!is_word_char(c)) return std::nullopt;
    }
    return names;
}

template <typename Map>
const typename Map::mapped_type* find_in(const Map* map, std::string_view name) {
    if (!map) return nullptr;
    auto found = map->find(name);
    return found == map->end() ? nullptr : &found->second;
}

Result<std::string> field_value(std::string_view body, const std::vector<std::string_view>& names,
                                const TemplateScope& scope) {
    if (names[0] == "vars") {
        if (names.size() != 2) return unknown_form(body);
        const std::string* value = find_in(scope.vars, names[1]);
        return value ? *value : std::string(kNoValue);
    }
    if (names[0] == "files") {
        if (names.size() != 3) return unknown_form(body);
        const auto* file = find_in(scope.files, names[1]);
        const std::string* value = find_in(file, names[2]);
        return value ? *value : std::string(kNoValue);
    }
    return std::string(kNoValue);  // a name space that does not exist, as in Go
}

// The value of what stands between the delimiters.
Result<std::string> evaluate(std::string_view body, const TemplateScope& scope) {
    std::string_view text = trim(body);
    if (text.empty()) return fail(Code::kInvalid, "template: {{}} is empty");
    if (std::optional<std::string> value = literal(text)) return *value;
    if (auto names = field_names(text)) return field_value(body, *names, scope);
    constexpr std::string_view kFunction = "kargs";
    if (text.starts_with(kFunction) && text.size() > kFunction.size() &&
        !is_word_char(text[kFunction.size()])) {
        std::optional<std::string> name = literal(trim(text.substr(kFunction.size())));
        if (!name) return unknown_form(body);
        const std::string* value = find_in(scope.kargs, *name);
        return value ? *value : std::string();
    }
    return unknown_form(body);
}

struct Delimited {
    std::string_view body;
    bool comment = false;
    bool trim_before = false;
    bool trim_after = false;
    size_t end = 0;  // behind "}}"
};

// Where the closing delimiter begins; quotes hide it.
size_t find_close(std::string_view text, size_t at) {
    while (at < text.size()) {
        if (text.substr(at).starts_with("}}")) return at;
        const char c = text[at++];
        if (c != '`' && c != '"') continue;
        while (at < text.size() && text[at] != c) at += c == '"' && text[at] == '\\' ? 2 : 1;
        ++at;
    }
    return std::string_view::npos;
}

// Reads the action whose "{{" stands at `at`.
Result<Delimited> read_action(std::string_view text, size_t at) {
    Delimited action;
    at += 2;
    auto is_space_at = [&](size_t i) {
        return i < text.size() && kSpace.find(text[i]) != std::string_view::npos;
    };
    if (at < text.size() && text[at] == '-' && is_space_at(at + 1)) {
        action.trim_before = true;
        at += 2;
    }
    size_t search = at;
    if (text.substr(at).starts_with("/*")) {
        action.comment = true;
        search = text.find("*/", at + 2);
        if (search == std::string_view::npos)
            return fail(Code::kInvalid, "template: unclosed comment");
        search += 2;
    }
    size_t close = action.comment ? text.find("}}", search) : find_close(text, at);
    if (close == std::string_view::npos) return fail(Code::kInvalid, "template: unclosed action");
    action.end = close + 2;
    size_t body_end = close;
    if (close >= search + 2 && text[close - 1] == '-' && is_space_at(close - 2)) {
        action.trim_after = true;
        body_end = close - 2;
    }
    if (action.comment && body_end != search)
        return fail(Code::kInvalid, "template: comment ends before closing delimiter");
    action.body = text.substr(at, body_end - at);
    return action;
}

void trim_end(std::string& out, size_t keep) {
    while (out.size() > keep && kSpace.find(out.back()) != std::string_view::npos) out.pop_back();
}

}  // namespace

Result<std::string> expand_template(std::string_view text, const TemplateScope& scope) {
    std::string out;
    size_t literal_start = 0;  // in out: white space of values is never trimmed
    for (size_t at = 0; at < text.size();) {
        size_t open = std::min(text.find("{{", at), text.size());
        out += text.substr(at, open - at);
        if (open < text.size()) {
            Delimited action = TRY(read_action(text, open));
            if (action.trim_before) trim_end(out, literal_start);
            if (!action.comment) out += TRY(evaluate(action.body, scope));
            literal_start = out.size();
            at = action.end;
            if (action.trim_after) at = std::min(text.find_first_not_of(kSpace, at), text.size());
        } else {
            at = open;
        }
        if (out.size() > kMaxTemplateResult)
            return fail(Code::kTooLarge,
                        strf("template: the result is longer than %zu bytes", kMaxTemplateResult));
    }
    return out;
}

}  // namespace planetbox
