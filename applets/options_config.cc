// The configuration file: the part of TOML that options need.
//
//     # a comment
//     state = "/srv/planetbox"       text in double quotes (\" \\ \n \t) or in single ones (as it
//     is) boot-port = 8443               anything else up to a comment, without blanks at its ends
//     name = ["a.example", "b"]      a list, on one line
//     [host add]                     options of a subcommand
//     site = 'princeton'
#include "base/strings.h"
#include "options_model.h"

namespace planetbox {
namespace {

// What is left of a line.
class Line {
public:
    explicit Line(std::string_view text) : text_(trim(text)) {}

    bool at_end() const { return text_.empty() || text_[0] == '#'; }
    bool starts(char c) const { return !text_.empty() && text_[0] == c; }
    void skip(size_t count) { text_ = trim(text_.substr(count)); }

    // One value; a bare one ends at a comment or at one of `ends`.
    Result<std::string> value(std::string_view ends) {
        if (starts('"')) return double_quoted();
        if (starts('\'')) return single_quoted();
        size_t length = 0;
        while (length < text_.size() && ends.find(text_[length]) == ends.npos &&
               !(text_[length] == '#' && (length == 0 || text_[length - 1] == ' ')))
            ++length;
        const std::string out(trim(text_.substr(0, length)));
        if (out.empty()) return fail(Code::kInvalid, "a value is missing");
        skip(length);
        return out;
    }

private:
    Result<std::string> single_quoted() {
        const size_t end = text_.find('\'', 1);
        if (end == text_.npos) return fail(Code::kInvalid, "a quote is not closed");
        std::string out(text_.substr(1, end - 1));
        skip(end + 1);
        return out;
    }

    Result<std::string> double_quoted() {
        std::string out;
        for (size_t i = 1; i < text_.size(); ++i) {
            if (text_[i] == '"') {
                skip(i + 1);
                return out;
            }
            if (text_[i] != '\\') {
                out += text_[i];
                continue;
            }
            const char escaped = ++i < text_.size() ? text_[i] : '\0';
            if (escaped == 'n')
                out += '\n';
            else if (escaped == 't')
                out += '\t';
            else if (escaped == '"' || escaped == '\\')
                out += escaped;
            else
                return fail(Code::kInvalid, "only \\\" \\\\ \\n \\t may follow a backslash");
        }
        return fail(Code::kInvalid, "a quote is not closed");
    }

    std::string_view text_;
};

Result<std::vector<std::string>> parse_values(Line& line) {
    std::vector<std::string> out;
    if (!line.starts('[')) {
        out.push_back(TRY(line.value("")));
        return out;
    }
    line.skip(1);
    while (!line.starts(']')) {
        out.push_back(TRY(line.value(",]")));
        if (line.starts(','))
            line.skip(1);
        else if (!line.starts(']'))
            return fail(Code::kInvalid, "a list ends with ']' on the same line");
    }
    line.skip(1);
    return out;
}

Result<std::vector<std::string>> parse_section(std::string_view text) {
    const size_t end = text.find(']');
    if (end == text.npos || !Line(text.substr(end + 1)).at_end())
        return fail(Code::kInvalid, "a section is '[name]'");
    std::vector<std::string> out;
    const std::string spaced = replace_all(text.substr(1, end - 1), ".", " ");
    for (std::string_view word : split_words(spaced)) out.emplace_back(word);
    return out;
}

Result<ConfigEntry> parse_entry(std::string_view text) {
    const auto halves = split_once(text, '=');
    if (!halves || trim(halves->first).empty())
        return fail(Code::kInvalid, "a line is 'name = value'");
    ConfigEntry entry;
    entry.name = trim(halves->first);
    Line line(halves->second);
    entry.values = TRY(parse_values(line));
    if (!line.at_end()) return fail(Code::kInvalid, "something follows the value");
    return entry;
}

}  // namespace

Result<std::vector<ConfigEntry>> parse_config(std::string_view text) {
    std::vector<ConfigEntry> out;
    std::vector<std::string> section;
    int number = 0;
    for (std::string_view raw : split(text, '\n')) {
        ++number;
        const std::string where = "line " + std::to_string(number);
        const std::string_view line = trim(raw);
        if (line.empty() || line[0] == '#' || line[0] == ';') continue;
        if (line[0] == '[') {
            section = TRY_CONTEXT(parse_section(line), where);
            continue;
        }
        ConfigEntry entry = TRY_CONTEXT(parse_entry(line), where);
        entry.section = section;
        entry.line = number;
        out.push_back(std::move(entry));
    }
    return out;
}

}  // namespace planetbox
