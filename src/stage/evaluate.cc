#include "stage/evaluate.h"

#include <algorithm>

#include "base/strings.h"
#include "stage/shell_words.h"

namespace planetbox {

namespace {

Status set_env(std::vector<std::string>& env, const std::string& name, std::string_view value) {
    constexpr std::string_view kForbidden("=\0", 2);
    if (name.empty() || name.find_first_of(kForbidden) != std::string::npos ||
        value.find('\0') != std::string_view::npos)
        return fail(Code::kInvalid, str_cat("v1.env: \"", printable(name, 60), "\" cannot be set"));
    const std::string start = name + "=";
    std::erase_if(env, [&](const std::string& entry) { return entry.starts_with(start); });
    env.push_back(str_cat(start, value));
    return {};
}

// A small action can unfold into much: this bounds all its commands together.
constexpr size_t kMaxCommandText = 4 << 20;

Result<std::vector<std::string>> command_words(const ActionCommand& command,
                                               const TemplateScope& scope, size_t& total) {
    std::vector<std::string> words;
    if (const auto* text = std::get_if<std::string>(&command))
        words = TRY(split_shell_words(TRY(expand_template(*text, scope))));
    else
        words = std::get<std::vector<std::string>>(command);
    for (std::string& word : words) {
        word = TRY(expand_template(word, scope));
        total += word.size() + 1;
        if (total > kMaxCommandText)
            return fail(Code::kTooLarge,
                        strf("v1.commands: longer than %zu bytes when expanded", kMaxCommandText));
        if (word.find('\0') != std::string::npos)
            return fail(Code::kInvalid, "v1.commands: a word holds a NUL byte");
    }
    return words;
}

}  // namespace

Status evaluate_vars(Action& action, const Kargs& kargs) {
    if (!action.bad_var.empty()) return fail(Code::kInvalid, action.bad_var);
    for (auto& [name, value] : action.vars)
        value = TRY_CONTEXT(expand_template(value, {.kargs = &kargs}), "v1.vars." + name);
    return {};
}

Status evaluate_file_urls(Action& action, const Kargs& kargs) {
    for (auto& [name, file] : action.files) {
        auto url = file.find("url");
        if (url == file.end()) return fail(Code::kInvalid, "URL key not found in file spec");
        url->second =
            TRY_CONTEXT(expand_template(url->second, {.kargs = &kargs, .vars = &action.vars}),
                        "v1.files." + name);
    }
    return {};
}

Result<std::vector<std::string>> evaluate_env(const Action& action, const Kargs& kargs,
                                              const std::vector<std::string>& base) {
    std::vector<std::string> env = base;
    const TemplateScope scope{.kargs = &kargs, .vars = &action.vars, .files = &action.files};
    for (const auto& [name, text] : action.env)
        TRY(set_env(env, name, TRY_CONTEXT(expand_template(text, scope), "v1.env." + name)));
    return env;
}

Result<std::vector<std::vector<std::string>>> evaluate_commands(const Action& action,
                                                                const Kargs& kargs) {
    std::vector<std::vector<std::string>> commands;
    size_t total = 0;
    const TemplateScope scope{.kargs = &kargs, .vars = &action.vars, .files = &action.files};
    for (const ActionCommand& command : action.commands)
        commands.push_back(TRY(command_words(command, scope, total)));
    return commands;
}

}  // namespace planetbox
