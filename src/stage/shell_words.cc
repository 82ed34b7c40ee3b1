#include "stage/shell_words.h"

namespace planetbox {

namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr const char* kNoQuote = "EOF found when expecting closing quote";
constexpr const char* kNoEscaped = "EOF found after escape character";

bool is_space(char c) { return kSpace.find(c) != std::string_view::npos; }

// The position behind the quoted part that starts at `at`; its characters are appended to `word`.
Result<size_t> take_quoted(std::string_view text, size_t at, std::string& word) {
    const char quote = text[at];
    for (++at; at < text.size(); ++at) {
        if (text[at] == quote) return at + 1;
        if (text[at] == '\\' && quote == '"' && ++at == text.size())
            return fail(Code::kInvalid, kNoEscaped);
        word += text[at];
    }
    return fail(Code::kInvalid, kNoQuote);
}

// The position behind the word that starts at `at`.
Result<size_t> take_word(std::string_view text, size_t at, std::string& word) {
    while (at < text.size() && !is_space(text[at])) {
        if (text[at] == '"' || text[at] == '\'') {
            at = TRY(take_quoted(text, at, word));
        } else if (text[at] == '\\') {
            if (at + 1 == text.size()) return fail(Code::kInvalid, kNoEscaped);
            word += text[at + 1];
            at += 2;
        } else {
            word += text[at++];
        }
    }
    return at;
}

}  // namespace

Result<std::vector<std::string>> split_shell_words(std::string_view text) {
    std::vector<std::string> words;
    for (size_t at = 0; at < text.size();) {
        if (is_space(text[at])) {
            ++at;
        } else if (text[at] == '#') {
            at = std::min(text.find('\n', at), text.size());
        } else {
            std::string word;
            at = TRY(take_word(text, at, word));
            words.push_back(std::move(word));
        }
    }
    return words;
}

}  // namespace planetbox
