// The kernel's command line as planetbox reads it: /proc/cmdline split at spaces, each word split at
// its first '='.  As epoxy_client does it, the last of several equal names wins and a word without
// '=' has the empty value; as the kernel does it, double quotes keep spaces together.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace planetbox {

class KernelArgs {
public:
    static KernelArgs parse(std::string_view command_line);

    // The value of the last one with this name; nullopt when there is none.
    std::optional<std::string_view> get(std::string_view name) const;
    bool has(std::string_view name) const { return get(name).has_value(); }
    const std::vector<std::pair<std::string, std::string>>& all() const { return words_; }

private:
    std::vector<std::pair<std::string, std::string>> words_;
};

}  // namespace planetbox
