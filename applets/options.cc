#include "options.h"

#include <stdio.h>
#include <string.h>

#include <algorithm>

#include "applet.h"
#include "base/clock.h"
#include "base/strings.h"
#include "options_model.h"

namespace planetbox {

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

Options& Options::go_style(bool environment) {
    spec_->go_style = true;
    spec_->go_environment = environment;
    return *this;
}

Options& Options::config_file() {
    spec_->config_file = true;
    return *this;
}

namespace {

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
    const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    const ParseOutcome outcome = parse_words(*spec_, words);
    if (outcome.help) {
        fputs(help_text(*outcome.command).c_str(), stdout);
        return kExitOk;
    }
    if (!outcome.error.empty()) return print_error(*outcome.command, outcome.error);
    return std::nullopt;
}

int Options::usage_error(std::string_view what) const { return print_error(*spec_, what); }

}  // namespace planetbox
