#include "init/services.h"

#include <algorithm>

#include "base/strings.h"

namespace planetbox {

namespace {

constexpr size_t kMaxServices = 100;
constexpr size_t kMaxWords = 64;

Result<std::vector<std::string>> line_words(std::string_view line) {
    std::vector<std::string> words;
    bool quoted = false, in_word = false;
    for (char c : line) {
        if (!quoted && c == '#' && !in_word) break;
        if (!quoted && (c == ' ' || c == '\t' || c == '\r')) {
            in_word = false;
            continue;
        }
        if (!in_word) words.emplace_back();
        in_word = true;
        if (c == '\0') return fail(Code::kInvalid, "holds a NUL byte");
        if (c == '"')
            quoted = !quoted;
        else
            words.back() += c;
    }
    if (quoted) return fail(Code::kInvalid, "a double quote is not closed");
    if (words.size() > kMaxWords)
        return fail(Code::kTooLarge, strf("more than %zu words", kMaxWords));
    return words;
}

Status parse_when(std::string_view word, Service& service) {
    if (word == "always" || word == "online" || word == "rescue") {
        service.when = word == "always"   ? Service::When::kAlways
                       : word == "online" ? Service::When::kOnline
                                          : Service::When::kRescue;
        return {};
    }
    bool negated = word.starts_with('!');
    std::string_view rest = negated ? word.substr(1) : word;
    if (!rest.starts_with("karg:") || rest.size() == 5)
        return fail(Code::kInvalid, str_cat("unknown condition \"", printable(word, 40),
                                            "\" (always, online, rescue, karg:NAME, !karg:NAME)"));
    rest.remove_prefix(5);
    service.when = negated ? Service::When::kNotKarg : Service::When::kKarg;
    if (auto halves = split_once(rest, '=')) {
        service.karg = halves->first;
        service.karg_value = halves->second;
        service.has_value = true;
    } else {
        service.karg = rest;
    }
    return {};
}

Result<Service> parse_line(const std::vector<std::string>& words) {
    Service service;
    if (words.size() < 4) return fail(Code::kInvalid, "wants NAME WHEN MODE COMMAND");
    service.name = words[0];
    bool plain = std::all_of(service.name.begin(), service.name.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_' || c == '.';
    });
    if (!plain || service.name.empty() || service.name.size() > 32)
        return fail(Code::kInvalid, str_cat("bad name \"", printable(service.name, 40), "\""));
    TRY(parse_when(words[1], service));
    if (words[2] != "once" && words[2] != "respawn")
        return fail(Code::kInvalid,
                    str_cat("unknown mode \"", printable(words[2], 40), "\" (once, respawn)"));
    service.respawn = words[2] == "respawn";
    service.argv.assign(words.begin() + 3, words.end());
    if (service.argv[0].empty()) return fail(Code::kInvalid, "the command is empty");
    return service;
}

}  // namespace

ServiceList parse_services(std::string_view text) {
    ServiceList list;
    if (text.size() > kServicesLimit) {
        list.errors.push_back(strf("services: longer than %zu bytes, ignored", kServicesLimit));
        return list;
    }
    int number = 0;
    for (std::string_view line : split(text, '\n')) {
        ++number;
        auto complain = [&](const Error& error) {
            if (list.errors.size() < 20)
                list.errors.push_back(
                    strf("services line %d: %s", number, error.message().c_str()));
        };
        Result<std::vector<std::string>> words = line_words(line);
        if (!words) {
            complain(words.error());
            continue;
        }
        if (words->empty()) continue;
        Result<Service> service = parse_line(*words);
        if (!service) {
            complain(service.error());
            continue;
        }
        bool doubled = std::any_of(list.services.begin(), list.services.end(),
                                   [&](const Service& s) { return s.name == service->name; });
        if (doubled) {
            complain(Error(Code::kExists, str_cat("\"", service->name, "\" is there already")));
            continue;
        }
        if (list.services.size() == kMaxServices) {
            complain(Error(Code::kTooLarge, strf("more than %zu services", kMaxServices)));
            break;
        }
        list.services.push_back(std::move(*service));
    }
    return list;
}

bool is_due(const Service& service, const Kargs& kargs, const ServiceState& state) {
    switch (service.when) {
        case Service::When::kAlways:
            return true;
        case Service::When::kOnline:
            return state.online;
        case Service::When::kRescue:
            return state.rescue;
        case Service::When::kKarg:
        case Service::When::kNotKarg:
            break;
    }
    auto found = kargs.find(service.karg);
    bool there =
        found != kargs.end() && (!service.has_value || found->second == service.karg_value);
    return there == (service.when == Service::When::kKarg);
}

std::chrono::milliseconds Backoff::next(std::chrono::nanoseconds ran) {
    if (ran >= std::chrono::seconds(10)) {
        early_ends_ = 0;
        return std::chrono::milliseconds(0);
    }
    auto delay = std::chrono::milliseconds(500) * (1 << std::min(early_ends_, 7));
    ++early_ends_;
    return std::min<std::chrono::milliseconds>(delay, std::chrono::minutes(1));
}

}  // namespace planetbox
