#include "wire/script_template.h"

#include <algorithm>

#include "base/strings.h"

namespace planetbox {

Result<std::string_view> find_script_template(std::string_view name) {
    for (const ScriptTemplate& entry : script_templates())
        if (entry.name == name && !name.empty()) return entry.text;
    return fail(Code::kNotFound, str_cat("no script template ", name, " in this build"));
}

static bool good_placeholder(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

Result<std::string> fill_script(std::string_view text, ScriptValues values) {
    std::string out;
    while (true) {
        size_t open = text.find("{{");
        out += text.substr(0, open);
        if (open == text.npos) break;
        text.remove_prefix(open + 2);
        size_t close = text.find("}}");
        std::string_view name = trim(text.substr(0, close));
        if (close == text.npos || !good_placeholder(name))
            return fail(Code::kInvalid, str_cat("script template: \"{{", printable(name, 20),
                                                "\" is no placeholder"));
        auto found = std::find_if(values.begin(), values.end(),
                                  [name](const auto& value) { return value.first == name; });
        if (found == values.end())
            return fail(Code::kInvalid,
                        str_cat("script template: there is no value for {{", name, "}}"));
        out += found->second;
        text.remove_prefix(close + 2);
    }
    if (out.size() > 64 * 1024) return fail(Code::kTooLarge, "script template: over 64 KiB");
    return out;
}

bool is_script_word(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < 0x7f && std::string_view("\"'$\\#|&`").find(c) == std::string::npos;
    });
}

}  // namespace planetbox
