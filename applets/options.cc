#include "options.h"

#include <stdio.h>
#include <string.h>

#include <algorithm>

#include <CLI/CLI.hpp>

#include "applet.h"
#include "base/clock.h"
#include "base/strings.h"
#include "options_model.h"

namespace planetbox {

// --- declaring
// ------------------------------------------------------------------------------------

const std::string& OptionSpec::long_name() const {
    for (const std::string& name : names)
        if (name.starts_with("--")) return name;
    return names.front();
}

std::string_view CommandSpec::summary() const {
    return std::string_view(about).substr(0, about.find('\n'));
}

Option& Option::required() {
    spec_->required = true;
    spec_->default_value.clear();
    return *this;
}
Option& Option::type(std::string_view name) {
    spec_->type = name;
    return *this;
}
Option& Option::one_of(std::initializer_list<std::string_view> words) {
    spec_->words.assign(words.begin(), words.end());
    spec_->type = join(spec_->words, "|");
    return *this;
}
Option& Option::range(int64_t least, int64_t most) {
    spec_->range = {least, most};
    return *this;
}
Option& Option::delimiter(char separator) {
    spec_->delimiter = separator;
    return *this;
}
Option& Option::env(std::string_view name) {
    spec_->env = name;
    return *this;
}
Option& Option::hidden() {
    spec_->hidden = true;
    return *this;
}
Option& Option::default_text(std::string_view text) {
    spec_->default_value = text;
    return *this;
}

Options::Options(std::string_view name, std::string_view about)
    : spec_(std::make_unique<CommandSpec>()) {
    spec_->path = spec_->name = name;
    spec_->about = about;
}
Options::Options(std::unique_ptr<CommandSpec> spec) : spec_(std::move(spec)) {}
Options::~Options() = default;

Option Options::add(std::string_view names, std::string_view help, std::string_view type) {
    auto spec = std::make_unique<OptionSpec>();
    for (std::string_view name : split(names, ',')) spec->names.emplace_back(trim(name));
    spec->help = help;
    spec->type = type;
    spec->positional = !names.starts_with("-");
    spec_->options.push_back(std::move(spec));
    return Option(spec_->options.back().get());
}

namespace {

// "1h30m0s" is what Go prints; people write and read "1h30m".
std::string duration_text(std::chrono::milliseconds value) {
    int64_t ms = value.count();
    if (ms == 0) return "0";
    std::string out;
    const std::pair<int64_t, const char*> units[] = {
        {3600'000, "h"}, {60'000, "m"}, {1000, "s"}, {1, "ms"}};
    for (const auto& [size, name] : units) {
        if (ms / size) out += std::to_string(ms / size) + name;
        ms %= size;
    }
    return out;
}

std::string number_text(double value) { return strf("%g", value); }

// `set` stores the number; its type decides what fits.
std::function<Status(const std::string&)> take_integer(OptionSpec* spec,
                                                       std::function<void(int64_t)> set,
                                                       int64_t least, int64_t most) {
    return [=](const std::string& text) -> Status {
        const std::optional<int64_t> number = parse_int(text);
        if (!number) return fail(Code::kInvalid, "'" + text + "' is not a whole number");
        const auto [low, high] = spec->range.value_or(std::pair(least, most));
        if (*number < low || *number > high)
            return fail(Code::kInvalid, text + " is not between " + std::to_string(low) + " and " +
                                            std::to_string(high));
        set(*number);
        return {};
    };
}

Status take_bool(bool* target, const std::string& text) {
    const std::string word = lower_ascii(text);
    const auto is = [&](std::initializer_list<std::string_view> words) {
        return std::find(words.begin(), words.end(), word) != words.end();
    };
    if (is({"true", "t", "1", "yes", "on"}))
        *target = true;
    else if (is({"false", "f", "0", "no", "off"}))
        *target = false;
    else
        return fail(Code::kInvalid, "'" + text + "' is neither true nor false");
    return {};
}

}  // namespace

Option Options::value(std::string_view names, std::string* target, std::string_view help) {
    Option option = add(names, help, "TEXT");
    option.spec_->default_value = *target;
    option.spec_->take = [target](const std::string& text) -> Status {
        *target = text;
        return {};
    };
    return option;
}

Option Options::value(std::string_view names, int64_t* target, std::string_view help) {
    Option option = add(names, help, "NUMBER");
    option.spec_->default_value = std::to_string(*target);
    option.spec_->take =
        take_integer(option.spec_, [target](int64_t n) { *target = n; }, INT64_MIN, INT64_MAX);
    return option;
}

Option Options::value(std::string_view names, int* target, std::string_view help) {
    Option option = add(names, help, "NUMBER");
    option.spec_->default_value = std::to_string(*target);
    option.spec_->take =
        take_integer(option.spec_, [target](int64_t n) { *target = int(n); }, INT32_MIN, INT32_MAX);
    return option;
}

Option Options::value(std::string_view names, double* target, std::string_view help) {
    Option option = add(names, help, "NUMBER");
    option.spec_->default_value = number_text(*target);
    option.spec_->take = [target](const std::string& text) -> Status {
        char* end = nullptr;
        const double number = strtod(text.c_str(), &end);
        if (text.empty() || *end) return fail(Code::kInvalid, "'" + text + "' is not a number");
        *target = number;
        return {};
    };
    return option;
}

Option Options::value(std::string_view names, bool* target, std::string_view help) {
    Option option = add(names, help, "true|false");
    option.spec_->default_value = *target ? "true" : "false";
    option.spec_->take = [target](const std::string& text) { return take_bool(target, text); };
    return option;
}

Option Options::value(std::string_view names, std::chrono::milliseconds* target,
                      std::string_view help) {
    Option option = add(names, help, "DURATION");
    option.spec_->default_value = duration_text(*target);
    option.spec_->take = [target](const std::string& text) -> Status {
        const auto duration = parse_duration(text);
        if (!duration)
            return fail(Code::kInvalid, "'" + text + "' is not a duration such as 10ms or 1h30m");
        *target = std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
        return {};
    };
    return option;
}

Option Options::value(std::string_view names, std::optional<std::string>* target,
                      std::string_view help) {
    Option option = add(names, help, "TEXT");
    option.spec_->default_value = target->value_or("");
    option.spec_->take = [target](const std::string& text) -> Status {
        *target = text;
        return {};
    };
    return option;
}

Option Options::value(std::string_view names, std::optional<int64_t>* target,
                      std::string_view help) {
    Option option = add(names, help, "NUMBER");
    if (*target) option.spec_->default_value = std::to_string(**target);
    option.spec_->take =
        take_integer(option.spec_, [target](int64_t n) { *target = n; }, INT64_MIN, INT64_MAX);
    return option;
}

Option Options::value(std::string_view names, std::function<Status(const std::string&)> take,
                      std::string_view help) {
    Option option = add(names, help, "TEXT");
    option.spec_->take = std::move(take);
    return option;
}

Option Options::list(std::string_view names, std::vector<std::string>* target,
                     std::string_view help) {
    Option option = add(names, help, "TEXT");
    option.spec_->is_list = true;
    option.spec_->default_value = join(*target, ",");
    option.spec_->clear = [target] { target->clear(); };
    option.spec_->take = [target](const std::string& text) -> Status {
        target->push_back(text);
        return {};
    };
    return option;
}

Option Options::flag(std::string_view names, bool* target, std::string_view help) {
    Option option = add(names, help, "");
    option.spec_->is_flag = true;
    if (*target) option.spec_->default_value = "true";
    option.spec_->take = [target](const std::string& text) { return take_bool(target, text); };
    return option;
}

Options& Options::sub(std::string_view name, std::string_view about) {
    auto spec = std::make_unique<CommandSpec>();
    spec->path = str_cat(spec_->path, " ", name);
    spec->name = name;
    spec->about = about;
    spec_->sub_specs.push_back(spec.get());
    spec_->subs.emplace_back(new Options(std::move(spec)));
    return *spec_->subs.back();
}

bool Options::chosen() const { return spec_->chosen; }

Options& Options::sub_optional() {
    spec_->sub_optional = true;
    return *this;
}

Options& Options::go_style() {
    spec_->go_style = true;
    return *this;
}

Options& Options::config_file() {
    spec_->config_file = true;
    return *this;
}

// --- parsing
// --------------------------------------------------------------------------------------

namespace {

std::string env_name(const std::string& long_name) {
    std::string out;
    for (char c : long_name.substr(2))
        out += c == '.' || c == '-' ? '_' : char(c >= 'a' && c <= 'z' ? c - 32 : c);
    return out;
}

Status take_checked(const OptionSpec& spec, const std::string& text) {
    if (!spec.words.empty() &&
        std::find(spec.words.begin(), spec.words.end(), text) == spec.words.end())
        return fail(Code::kInvalid, "'" + text + "' is none of " + join(spec.words, ", "));
    return spec.take(text);
}

// What CLI11 calls with all the values an option was given. Throws for CLI11 to carry out.
bool take_results(OptionSpec& spec, const std::vector<std::string>& results) {
    if (spec.is_list && spec.clear) spec.clear();
    for (const std::string& result : results)
        if (Status status = take_checked(spec, result); !status)
            throw CLI::ValidationError(spec.long_name(), status.error().message());
    return true;
}

void add_to_parser(CLI::App& app, OptionSpec& spec, bool go_style) {
    const std::string names = join(spec.names, ",");
    CLI::Option* option;
    if (spec.is_flag) {
        option = app.add_flag_function(
            names, [&spec](int64_t count) { (void)spec.take(count > 0 ? "true" : "false"); }, "");
    } else {
        option = app.add_option(names, CLI::callback_t([&spec](const CLI::results_t& r) {
                                    return take_results(spec, r);
                                }),
                                "");
        if (spec.is_list)
            option->expected(1, 1 << 20)->allow_extra_args(spec.positional);
        else if (go_style)
            option->take_last();
    }
    if (spec.delimiter) option->delimiter(spec.delimiter);
    if (spec.required) option->required();
    if (!spec.env.empty()) option->envname(spec.env);
}

void fill_parser(CLI::App& app, CommandSpec& command) {
    app.set_help_flag("-h,--help");
    for (const auto& spec : command.options) {
        if (command.go_style && spec->env.empty() && spec->long_name().starts_with("--"))
            spec->env = env_name(spec->long_name());
        // An applet may want -h for itself.
        if (std::find(spec->names.begin(), spec->names.end(), "-h") != spec->names.end())
            app.set_help_flag("--help");
        add_to_parser(app, *spec, command.go_style);
    }
    if (command.config_file) {
        app.set_config("--config");
        app.allow_config_extras(CLI::config_extras_mode::error);
    }
    for (CommandSpec* sub : command.sub_specs) {
        sub->go_style = command.go_style;
        CLI::App* child = app.add_subcommand(sub->name, "");
        child->fallthrough();
        child->callback([sub] { sub->chosen = true; });
        fill_parser(*child, *sub);
    }
    if (!command.sub_specs.empty()) app.require_subcommand(command.sub_optional ? 0 : 1, 1);
}

const OptionSpec* find_go_option(const CommandSpec& command, std::string_view name) {
    for (const auto& spec : command.options)
        for (const std::string& known : spec->names)
            if (known.size() == name.size() + 2 && known.ends_with(name)) return spec.get();
    for (const CommandSpec* sub : command.sub_specs)
        if (const OptionSpec* spec = find_go_option(*sub, name)) return spec;
    return nullptr;
}

// Go's flag package: one dash or two, and the word after a value's name is its value whatever it
// looks like. Everything that is not a known name is passed on as it is.
std::vector<std::string> from_go_style(const CommandSpec& command,
                                       const std::vector<std::string>& words) {
    std::vector<std::string> out;
    for (size_t i = 0; i < words.size(); ++i) {
        std::string_view word = words[i];
        const size_t dashes = word.starts_with("--") ? 2 : word.starts_with("-") ? 1 : 0;
        if (word == "--") {
            out.insert(out.end(), words.begin() + ptrdiff_t(i), words.end());
            break;
        }
        const size_t equals = word.find('=');
        const std::string name(word.substr(dashes, equals == word.npos ? equals : equals - dashes));
        const OptionSpec* spec = dashes ? find_go_option(command, name) : nullptr;
        if (!spec) {
            out.push_back(words[i]);
        } else if (spec->is_flag) {
            out.push_back("--" + std::string(word.substr(dashes)));
        } else {
            const bool joined = equals != word.npos;
            if (!joined && i + 1 == words.size()) {
                out.push_back("--" + name);
                continue;
            }
            const std::string value = joined ? std::string(word.substr(equals + 1)) : words[++i];
            // CLI11 takes "--name=" for a name without a value.
            if (value.empty())
                out.insert(out.end(), {"--" + name, ""});
            else
                out.push_back("--" + name + "=" + value);
        }
    }
    return out;
}

CommandSpec* deepest(CLI::App& app, CommandSpec& command) {
    for (CommandSpec* sub : command.sub_specs)
        if (CLI::App* child = app.get_subcommand(sub->name); child->parsed())
            return deepest(*child, *sub);
    return &command;
}

// The first word nobody understood. At a place where a subcommand is wanted, it was meant as one.
std::string unexpected(CLI::App& app, const CommandSpec& command) {
    const std::vector<std::string> words = app.remaining(true);
    if (words.empty()) return command.sub_specs.empty() ? "" : "a subcommand is missing";
    const std::string& word = words.front();
    if (!command.sub_specs.empty() && !word.starts_with("-"))
        return "there is no subcommand '" + word + "'";
    return "did not expect '" + word + "'";
}

// What CLI11 says, in our words: it names the option or word at fault and what was wrong with it.
std::string describe(const CLI::ParseError& problem, CLI::App& app, const CommandSpec& command) {
    std::string text = problem.what();
    const std::string kind = problem.get_name();
    const std::string name = text.substr(0, text.find(':'));
    if (text.starts_with("The following argument") || text == "A subcommand is required")
        return unexpected(app, command);
    if (kind == "ArgumentMismatch" && text.find("missing") != text.npos)
        return name + " wants a value";
    if (kind == "ArgumentMismatch" && text.find("At Most") != text.npos)
        return name + " was given more than once";
    constexpr std::string_view kIni = "INI was not able to parse ";
    if (text.starts_with(kIni))
        return "the configuration file says '" + text.substr(kIni.size()) +
               "', which is not an option";
    if (kind == "FileError")
        return "cannot read the configuration file " + name.substr(0, name.find(" was"));
    return text;
}

int print_error(const CommandSpec& command, std::string_view what) {
    fprintf(stderr, "planetbox %s: %s; try 'planetbox %s --help'\n", command.path.c_str(),
            printable(what, 400).c_str(), command.path.c_str());
    return kExitUsage;
}

// --help-man and --help-words [SUBCOMMAND]...: what the man pages and the shells are made from.
bool print_generated(const CommandSpec& command, int argc, char** argv) {
    if (argc < 2) return false;
    if (strcmp(argv[1], "--help-man") == 0) {
        fputs(man_page(command).c_str(), stdout);
        return true;
    }
    if (strcmp(argv[1], "--help-words") != 0) return false;
    const CommandSpec* at = &command;
    for (int i = 2; i < argc; ++i)
        for (const CommandSpec* sub : at->sub_specs)
            if (sub->name == argv[i]) {
                at = sub;
                break;
            }
    fputs(completion_words(*at).c_str(), stdout);
    return true;
}

}  // namespace

std::optional<int> Options::parse(int argc, char** argv) {
    if (print_generated(*spec_, argc, argv)) return kExitOk;
    CLI::App app;
    try {
        fill_parser(app, *spec_);
        std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
        if (spec_->go_style) words = from_go_style(*spec_, words);
        std::reverse(words.begin(), words.end());  // as CLI11 wants them
        app.parse(words);
        return std::nullopt;
    } catch (const CLI::CallForHelp&) {
        fputs(help_text(*deepest(app, *spec_)).c_str(), stdout);
        return kExitOk;
    } catch (const CLI::ParseError& problem) {
        const CommandSpec& command = *deepest(app, *spec_);
        return print_error(command, describe(problem, app, command));
    }
}

int Options::usage_error(std::string_view what) const { return print_error(*spec_, what); }

}  // namespace planetbox
