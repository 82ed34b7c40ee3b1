// Command line of an applet: declared once, used for parsing, --help, the man page and completion.
//
//     std::string state = "/var/lib/planetbox";
//     int64_t port = 443;
//     Options opt("bootd",
//                 "Serves boot scripts, images and one-time tokens over HTTPS.\n"
//                 "\n"
//                 "Longer paragraphs follow after an empty line; indented lines stay as they
//                 are:\n"
//                 "\n"
//                 "    planetbox bootd --state /srv/pb --port 8443\n");
//     opt.value("--state", &state, "directory of the state").type("DIR");
//     opt.value("--port,-p", &port, "TCP port to listen on").range(1, 65535);
//     Options& add = opt.sub("add", "Adds a host.");
//     add.value("HOST", &host, "its name").required();      // no dashes: an argument by position
//     if (std::optional<int> code = opt.parse(argc, argv)) return *code;
//     if (add.chosen()) ...
//
// The value that a target holds when it is declared is its default, and help shows it. A bad
// command line prints one line on stderr that names the bad word, and the exit code is 2.
//
// This is ours because the libraries that do it come with iostreams and locales: CLI11 added 0.66
// MB to the executable, a seventh of its budget.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace planetbox {

struct OptionSpec;
struct CommandSpec;

// A declared option, for saying more about it.
class Option {
public:
    Option& required();
    // Name of the value in help; "DIR", "ADDR". Without it: TEXT, NUMBER, DURATION.
    Option& type(std::string_view name);
    Option& one_of(std::initializer_list<std::string_view> words);
    Option& range(int64_t least, int64_t most);  // for numbers
    // Lists: also splits every value at this character ("a,b").
    Option& delimiter(char separator);
    // Value from this environment variable when the command line has none.
    Option& env(std::string_view name);
    // Parsed but left out of help, for compatibility with something older.
    Option& hidden();
    // Says in help what the default is, where the target's value does not ("from plnode.txt").
    Option& default_text(std::string_view text);

private:
    friend class Options;
    explicit Option(OptionSpec* spec) : spec_(spec) {}
    OptionSpec* spec_;
};

class Options {
public:
    Options(std::string_view name, std::string_view about);
    ~Options();
    Options(const Options&) = delete;
    Options& operator=(const Options&) = delete;

    // `names` is "--long", "--long,-l", or "NAME" for an argument by position. Every target must
    // outlive parse(). A list may be given many times; a list by position takes all that is left.
    Option value(std::string_view names, std::string* target, std::string_view help);
    Option value(std::string_view names, int64_t* target, std::string_view help);
    Option value(std::string_view names, int* target, std::string_view help);
    Option value(std::string_view names, double* target, std::string_view help);
    Option value(std::string_view names, bool* target, std::string_view help);  // true, false
    Option value(std::string_view names, std::chrono::milliseconds* target, std::string_view help);
    Option value(std::string_view names, std::optional<std::string>* target, std::string_view help);
    Option value(std::string_view names, std::optional<int64_t>* target, std::string_view help);
    // For a type of your own: the error's message is shown after the option's name.
    Option value(std::string_view names, std::function<Status(const std::string&)> take,
                 std::string_view help);
    Option list(std::string_view names, std::vector<std::string>* target, std::string_view help);
    // --name sets true, --name=false sets false.
    Option flag(std::string_view names, bool* target, std::string_view help);

    // A subcommand; one of them must then be given. May be nested. Options of the parent are also
    // understood after the subcommand's name. The reference lives as long as the parent.
    Options& sub(std::string_view name, std::string_view about);
    bool chosen() const;  // this subcommand was on the command line

    // Lets the command go on without any of its subcommands.
    Options& sub_optional();

    // For applets that replace a Go program: also takes -name value, -name=value and -flag=false,
    // the last of several wins, and an environment variable NAME (upper case, '.' and '-' become
    // '_') stands in for an option that is not given.
    // Without `environment` that last part is left out: epoxy_client, for one, has no such
    // variables, and words of the kernel command line become the environment of process 1.
    Options& go_style(bool environment = true);

    // Adds --config FILE: lines `long-name = value`, [subcommand] sections; the command line wins.
    Options& config_file();

    // nullopt: go on. Otherwise the exit code, and everything has been said.
    [[nodiscard]] std::optional<int> parse(int argc, char** argv);

    // "planetbox NAME: what; try 'planetbox NAME --help'" on stderr, and kExitUsage: for what only
    // the applet can tell to be wrong.
    int usage_error(std::string_view what) const;

    // What was declared, for tests (options_model.h).
    CommandSpec& model() { return *spec_; }

private:
    explicit Options(std::unique_ptr<CommandSpec> spec);
    Option add(std::string_view names, std::string_view help, std::string_view type);

    std::unique_ptr<CommandSpec> spec_;
};

}  // namespace planetbox
