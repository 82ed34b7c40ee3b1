// Command line, environment and configuration file to declared options.
//
// The order of precedence is: command line, environment, configuration file, default. Words are
// looked at from left to right; a subcommand's name moves the place where options are looked up one
// level down, and what is not found there is looked for in its parents. Nothing is stored into a
// target before all of it is known to be well-formed but for the values themselves.
#include <stdlib.h>

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "options_model.h"
#include "sys/files.h"

namespace planetbox {
namespace {

constexpr size_t kConfigLimit = 1 << 20;

std::string quoted(std::string_view word) { return str_cat("'", word, "'"); }

std::string env_name(const std::string& long_name) {
    std::string out;
    for (char c : std::string_view(long_name).substr(2))
        out += c == '.' || c == '-' ? '_' : char(c >= 'a' && c <= 'z' ? c - 32 : c);
    return out;
}

Status take_checked(const OptionSpec& spec, const std::string& text) {
    if (!spec.words.empty() &&
        std::find(spec.words.begin(), spec.words.end(), text) == spec.words.end())
        return fail(Code::kInvalid, quoted(text) + " is none of " + join(spec.words, ", "));
    return spec.take(text);
}

class Parser {
public:
    explicit Parser(CommandSpec& root) : stack_{&root}, go_style_(root.go_style) {}

    Status parse(const std::vector<std::string>& words);
    bool help() const { return help_; }
    const CommandSpec& command() const { return *stack_.back(); }

private:
    using Words = const std::vector<std::string>&;

    Status take_word(Words words, size_t& at);
    Status take_long(std::string_view name, std::optional<std::string_view> value, Words words,
                     size_t& at);
    Status take_short(std::string_view letters, Words words, size_t& at);
    Status take_plain(const std::string& word);
    Status take_option(OptionSpec& spec, std::string_view shown,
                       std::optional<std::string_view> value, Words words, size_t& at);

    OptionSpec* find(std::string_view name) const;  // with its dashes
    bool declared(std::string_view word) const;     // looks like one of our options
    bool asks_help(std::string_view word) const;
    bool has_config() const;

    Status read_config();
    Status take_config(const ConfigEntry& entry);
    void read_environment();
    Status check_complete() const;
    Status store();

    std::vector<CommandSpec*> stack_;  // from the applet to the innermost subcommand
    std::map<OptionSpec*, std::vector<std::string>> given_;
    std::map<OptionSpec*, std::string>
        origin_;  // "FILE: line 3: " for values of a configuration file
    std::string config_path_;
    bool go_style_;
    bool only_plain_ = false;  // after "--"
    bool help_ = false;
};

OptionSpec* Parser::find(std::string_view name) const {
    for (auto command = stack_.rbegin(); command != stack_.rend(); ++command)
        for (const auto& spec : (*command)->options)
            if (!spec->positional &&
                std::find(spec->names.begin(), spec->names.end(), name) != spec->names.end())
                return spec.get();
    return nullptr;
}

bool Parser::has_config() const {
    return std::any_of(stack_.begin(), stack_.end(), [](auto* c) { return c->config_file; });
}

bool Parser::asks_help(std::string_view word) const {
    return word == "--help" || (word == "-h" && !find("-h")) || (word == "-help" && go_style_);
}

// A value may begin with a dash, but a word that is an option of ours is not taken for a value.
bool Parser::declared(std::string_view word) const {
    const std::string_view name = word.substr(0, word.find('='));
    return word == "--" || find(name) || asks_help(word) || (name == "--config" && has_config());
}

Status Parser::parse(Words words) {
    for (size_t at = 0; at < words.size() && !help_; ++at) TRY(take_word(words, at));
    if (help_) return {};
    read_environment();
    TRY(read_config());
    TRY(check_complete());
    return store();
}

Status Parser::take_word(Words words, size_t& at) {
    const std::string& word = words[at];
    if (only_plain_ || word.size() < 2 || word[0] != '-') return take_plain(word);
    if (word == "--") {
        only_plain_ = true;
        return {};
    }
    if (asks_help(word)) {
        help_ = true;
        return {};
    }
    const std::string_view text = word;
    const size_t equals = text.find('=');
    std::optional<std::string_view> value;
    if (equals != text.npos) value = text.substr(equals + 1);
    const std::string_view name = text.substr(0, equals);
    if (name.starts_with("--")) return take_long(name, value, words, at);
    if (go_style_ && find(str_cat("-", name)))
        return take_long(str_cat("-", name), value, words, at);
    if (const char c = word[1]; c >= '0' && c <= '9' && !find(text.substr(0, 2)))
        return take_plain(word);  // a negative number
    return take_short(text.substr(1), words, at);
}

Status Parser::take_long(std::string_view name, std::optional<std::string_view> value, Words words,
                         size_t& at) {
    if (OptionSpec* spec = find(name)) return take_option(*spec, name, value, words, at);
    if (name != "--config" || !has_config())
        return fail(Code::kInvalid, "did not expect " + quoted(words[at]));
    if (!value && at + 1 == words.size()) return fail(Code::kInvalid, "--config wants a value");
    config_path_ = value ? std::string(*value) : words[++at];
    return {};
}

// "-p 80", "-p80", "-p=80", and flags together: "-vq".
Status Parser::take_short(std::string_view letters, Words words, size_t& at) {
    for (size_t i = 0; i < letters.size(); ++i) {
        const std::string name = str_cat("-", letters.substr(i, 1));
        OptionSpec* spec = find(name);
        if (!spec) return fail(Code::kInvalid, "did not expect " + quoted(words[at]));
        const std::string_view rest = letters.substr(i + 1);
        if (spec->is_flag && !rest.starts_with('=')) {
            given_[spec].push_back("true");
            continue;
        }
        std::optional<std::string_view> value;
        if (!rest.empty()) value = rest.starts_with('=') ? rest.substr(1) : rest;
        return take_option(*spec, name, value, words, at);
    }
    return {};
}

Status Parser::take_option(OptionSpec& spec, std::string_view shown,
                           std::optional<std::string_view> value, Words words, size_t& at) {
    if (spec.is_flag) {
        given_[&spec].emplace_back(value.value_or("true"));
        return {};
    }
    if (!value) {
        // Go takes the next word whatever it looks like.
        if (at + 1 == words.size() || (!go_style_ && declared(words[at + 1])))
            return fail(Code::kInvalid, str_cat(shown, " wants a value"));
        value = words[++at];
    }
    std::vector<std::string>& values = given_[&spec];
    if (!values.empty() && !spec.is_list) {
        if (!go_style_) return fail(Code::kInvalid, str_cat(shown, " was given more than once"));
        values.clear();
    }
    values.emplace_back(*value);
    return {};
}

// An argument by position, or the name of a subcommand.
Status Parser::take_plain(const std::string& word) {
    CommandSpec& command = *stack_.back();
    if (!only_plain_)
        for (CommandSpec* sub : command.sub_specs)
            if (sub->name == word) {
                sub->go_style = command.go_style;
                sub->chosen = true;
                stack_.push_back(sub);
                return {};
            }
    for (const auto& spec : command.options) {
        if (!spec->positional) continue;
        std::vector<std::string>& values = given_[spec.get()];
        if (!values.empty() && !spec->is_list) continue;
        values.push_back(word);
        return {};
    }
    if (!command.sub_specs.empty())
        return fail(Code::kInvalid, "there is no subcommand " + quoted(word));
    return fail(Code::kInvalid, "did not expect " + quoted(word));
}

void Parser::read_environment() {
    for (CommandSpec* command : stack_)
        for (const auto& spec : command->options) {
            if (spec->positional || given_.contains(spec.get()) || spec->env.empty()) continue;
            if (const char* value = getenv(spec->env.c_str()); value && *value)
                given_[spec.get()].emplace_back(value);
        }
}

Status Parser::read_config() {
    if (config_path_.empty()) return {};
    const std::string text = TRY(read_file(config_path_, kConfigLimit));
    Result<std::vector<ConfigEntry>> entries = parse_config(text);
    if (!entries) return fail(std::move(entries.error()).context(config_path_));
    for (const ConfigEntry& entry : *entries)
        if (Status status = take_config(entry); !status)
            return fail(std::move(status.error())
                            .context(config_path_ + ": line " + std::to_string(entry.line)));
    return {};
}

Status Parser::take_config(const ConfigEntry& entry) {
    CommandSpec* command = stack_.front();
    for (const std::string& name : entry.section) {
        const auto is = [&](CommandSpec* sub) { return sub->name == name; };
        const auto& subs = command->sub_specs;
        const auto sub = std::find_if(subs.begin(), subs.end(), is);
        if (sub == subs.end())
            return fail(Code::kInvalid, "there is no subcommand " + quoted(name));
        command = *sub;
    }
    for (const auto& spec : command->options) {
        if (spec->positional || spec->long_name() != "--" + entry.name) continue;
        // Whoever came before wins, and a section of a subcommand that is not run says nothing.
        if (given_.contains(spec.get()) ||
            std::find(stack_.begin(), stack_.end(), command) == stack_.end())
            return {};
        if (entry.values.size() != 1 && !spec->is_list)
            return fail(Code::kInvalid, entry.name + " takes one value");
        given_[spec.get()] = entry.values;
        origin_[spec.get()] = config_path_ + ": line " + std::to_string(entry.line) + ": ";
        return {};
    }
    return fail(Code::kInvalid, "there is no option " + quoted(entry.name));
}

Status Parser::check_complete() const {
    const CommandSpec& innermost = command();
    if (!innermost.sub_specs.empty() && !innermost.sub_optional)
        return fail(Code::kInvalid, "a subcommand is missing");
    for (const CommandSpec* command : stack_)
        for (const auto& spec : command->options)
            if (const auto found = given_.find(spec.get());
                spec->required && (found == given_.end() || found->second.empty()))
                return fail(Code::kInvalid, spec->long_name() + " is required");
    return {};
}

// In the order of declaration, so that of two wrong values the same one is named every time.
Status Parser::store() {
    for (CommandSpec* command : stack_)
        for (const auto& spec : command->options) {
            const auto found = given_.find(spec.get());
            if (found == given_.end() || found->second.empty()) continue;
            if (spec->is_list && spec->clear) spec->clear();
            std::vector<std::string> values;
            for (const std::string& value : found->second) {
                if (!spec->delimiter) {
                    values.push_back(value);
                    continue;
                }
                for (std::string_view piece : split(value, spec->delimiter))
                    if (!piece.empty()) values.emplace_back(piece);
            }
            for (const std::string& value : values)
                if (Status status = take_checked(*spec, value); !status)
                    return fail(
                        std::move(status.error()).context(origin_[spec.get()] + spec->long_name()));
        }
    return {};
}

void name_environment(CommandSpec& command, bool go_style, bool environment) {
    command.go_style = go_style;
    for (const auto& spec : command.options)
        if (environment && spec->env.empty() && spec->long_name().starts_with("--"))
            spec->env = env_name(spec->long_name());
    for (CommandSpec* sub : command.sub_specs) name_environment(*sub, go_style, environment);
}

void forget(CommandSpec& command) {
    command.chosen = false;
    for (CommandSpec* sub : command.sub_specs) forget(*sub);
}

}  // namespace

ParseOutcome parse_words(CommandSpec& root, const std::vector<std::string>& words) {
    forget(root);
    name_environment(root, root.go_style, root.go_environment);
    Parser parser(root);
    const Status status = parser.parse(words);
    ParseOutcome outcome{.command = &parser.command(), .help = parser.help()};
    if (!status) outcome.error = status.error().message();
    return outcome;
}

}  // namespace planetbox
