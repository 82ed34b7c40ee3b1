#include "init/module_index.h"

#include <algorithm>

#include "base/strings.h"

namespace planetbox {

namespace {

constexpr size_t kMaxOrder = 256;

// Matches one bracket expression; `at` is behind '['.  Sets `at` behind ']'.  An unclosed bracket
// matches nothing.
bool bracket_match(std::string_view pattern, size_t& at, char c) {
    bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
    if (negated) ++at;
    bool found = false;
    for (bool first = true; at < pattern.size(); first = false) {
        if (pattern[at] == ']' && !first) {
            ++at;
            return found != negated;
        }
        char low = pattern[at], high = low;
        if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
            high = pattern[at + 2];
            at += 2;
        }
        ++at;
        if (low <= c && c <= high) found = true;
    }
    return false;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
    size_t p = 0, t = 0;
    size_t star = std::string_view::npos, star_text = 0;
    while (t < text.size()) {
        size_t next = p;
        bool one = false;
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            star_text = t;
            continue;
        }
        if (p < pattern.size()) {
            ++next;
            if (pattern[p] == '[')
                one = bracket_match(pattern, next, text[t]);
            else
                one = pattern[p] == '?' || pattern[p] == text[t];
        }
        if (one) {
            p = next;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;  // let the last star take one more
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::string ModuleIndex::plain_name(std::string_view path) {
    size_t slash = path.rfind('/');
    if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
    std::string name(path.substr(0, path.find(".ko")));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

ModuleIndex ModuleIndex::parse(std::string_view dep, std::string_view alias,
                               std::string_view softdep) {
    ModuleIndex index;
    for (std::string_view line : split(dep, '\n')) {
        auto halves = split_once(line, ':');
        if (!halves || halves->first.find(".ko") == std::string_view::npos) continue;
        Module module{std::string(trim(halves->first)), {}, {}};
        for (std::string_view need : split_words(halves->second))
            module.needs.push_back(plain_name(need));
        index.modules_.insert_or_assign(plain_name(module.path), std::move(module));
    }
    for (std::string_view line : split(alias, '\n')) {
        std::vector<std::string_view> words = split_words(line);
        if (words.size() != 3 || words[0] != "alias") continue;
        size_t literal = std::min(words[1].find_first_of("*?["), words[1].size());
        index.aliases_.push_back({std::string(words[1]), plain_name(words[2]), literal});
    }
    for (std::string_view line : split(softdep, '\n')) {
        std::vector<std::string_view> words = split_words(line);
        if (words.size() < 3 || words[0] != "softdep") continue;
        auto module = index.modules_.find(plain_name(words[1]));
        if (module == index.modules_.end()) continue;
        bool before = false;
        for (std::string_view word : std::vector(words.begin() + 2, words.end())) {
            if (word.ends_with(':'))
                before = word == "pre:";
            else if (before)
                module->second.wants.push_back(plain_name(word));
        }
    }
    return index;
}

std::vector<std::string> ModuleIndex::match(std::string_view modalias) const {
    std::vector<std::string> out;
    for (const Alias& alias : aliases_) {
        std::string_view pattern = alias.pattern;
        // The literal start rules out nearly every line; only the rest is matched as a pattern.
        if (!modalias.starts_with(pattern.substr(0, alias.literal))) continue;
        if (!glob_match(pattern.substr(alias.literal), modalias.substr(alias.literal))) continue;
        if (std::find(out.begin(), out.end(), alias.module) == out.end())
            out.push_back(alias.module);
    }
    std::string name = plain_name(modalias);
    if (out.empty() && modules_.contains(name)) out.push_back(std::move(name));
    return out;
}

void ModuleIndex::collect(std::string_view name, std::set<std::string_view>& seen,
                          std::vector<std::string>& out) const {
    auto found = modules_.find(name);
    // Each module is visited once, so a circle in a broken index ends.
    if (found == modules_.end() || !seen.insert(found->first).second) return;
    if (seen.size() > kMaxOrder) return;
    const Module& module = found->second;
    for (const std::string& want : module.wants) {
        std::vector<std::string> names = match(want);
        for (const std::string& each : names) collect(each, seen, out);
    }
    for (auto need = module.needs.rbegin(); need != module.needs.rend(); ++need)
        collect(*need, seen, out);
    out.push_back(module.path);
}

std::vector<std::string> ModuleIndex::load_order(std::string_view name) const {
    std::set<std::string_view> seen;
    std::vector<std::string> out;
    collect(name, seen, out);
    return out;
}

}  // namespace planetbox
