// What Options collects: plain data, which options_parse.cc fills from a command line and
// options_help.cc turns into text.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace planetbox {

class Options;

struct OptionSpec {
    std::vector<std::string> names;  // with dashes; one without for an argument by position
    std::string help;
    std::string type;           // empty for a flag
    std::string default_value;  // as help shows it
    std::string env;
    std::vector<std::string> words;  // the only values allowed, when not empty
    std::optional<std::pair<int64_t, int64_t>> range;
    char delimiter = '\0';
    bool positional = false;
    bool is_flag = false;
    bool is_list = false;
    bool required = false;
    bool hidden = false;
    std::function<Status(const std::string&)> take;  // called for each value
    std::function<void()> clear;                     // before the first value of a list

    const std::string& long_name() const;  // what messages call it
};

struct CommandSpec {
    std::string path;   // "bootadm host add"
    std::string name;   // "add"
    std::string about;  // first line: summary
    std::vector<std::unique_ptr<OptionSpec>> options;
    std::vector<std::unique_ptr<Options>> subs;
    std::vector<CommandSpec*> sub_specs;  // the same, in the same order
    bool sub_optional = false;
    bool go_style = false;
    bool go_environment = false;
    bool config_file = false;
    bool chosen = false;

    std::string_view summary() const;  // first line of about
};

// How a command line was understood. At most one of help and error is set.
struct ParseOutcome {
    const CommandSpec* command;  // the innermost subcommand that was named
    bool help = false;           // --help was asked for
    std::string error;           // what is wrong, naming the word; empty when nothing is
};
ParseOutcome parse_words(CommandSpec& root, const std::vector<std::string>& words);

// One `name = value` of a configuration file.
struct ConfigEntry {
    std::vector<std::string> section;  // of [host add] or [host.add]; empty above the first
    std::string name;
    std::vector<std::string> values;  // more than one only for name = ["a", "b"]
    int line;
};
// Errors name the line.
Result<std::vector<ConfigEntry>> parse_config(std::string_view text);

// The texts made from it. Lines of help are at most 100 columns wide.
std::string help_text(const CommandSpec& command);
std::string man_page(const CommandSpec& command);
std::string completion_words(const CommandSpec& command);

}  // namespace planetbox
