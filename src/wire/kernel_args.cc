#include "wire/kernel_args.h"

namespace planetbox {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

KernelArgs KernelArgs::parse(std::string_view command_line) {
    KernelArgs args;
    size_t at = 0;
    while (at < command_line.size()) {
        if (is_space(command_line[at])) {
            ++at;
            continue;
        }
        std::string word;
        bool quoted = false;
        for (; at < command_line.size() && (quoted || !is_space(command_line[at])); ++at) {
            if (command_line[at] == '"')
                quoted = !quoted;
            else
                word += command_line[at];
        }
        size_t equals = word.find('=');
        if (equals == std::string::npos)
            args.words_.emplace_back(std::move(word), "");
        else
            args.words_.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    return args;
}

std::optional<std::string_view> KernelArgs::get(std::string_view name) const {
    for (auto word = words_.rbegin(); word != words_.rend(); ++word)
        if (word->first == name) return word->second;
    return std::nullopt;
}

}  // namespace planetbox
