#include "wire/kargs.h"

#include "base/strings.h"
#include "sys/files.h"

namespace planetbox {

static constexpr size_t kMaxCmdline = 64 << 10;

Kargs parse_kargs(std::string_view cmdline) {
    // Only spaces and newlines are cut off at the ends, and only a space separates: a tab belongs
    // to the word it stands in, as for epoxy_client.
    constexpr std::string_view kEnds = " \n";
    size_t begin = cmdline.find_first_not_of(kEnds);
    if (begin == std::string_view::npos) return {};
    cmdline = cmdline.substr(begin, cmdline.find_last_not_of(kEnds) - begin + 1);

    Kargs kargs;
    for (std::string_view word : split(cmdline, ' ')) {
        if (word.empty()) continue;
        if (auto pair = split_once(word, '='))
            kargs.insert_or_assign(std::string(pair->first), std::string(pair->second));
        else
            kargs.insert_or_assign(std::string(word), std::string());
    }
    return kargs;
}

Result<Kargs> read_kargs(const std::string& path) {
    return parse_kargs(TRY(read_file(path, kMaxCmdline)));
}

std::string_view karg(const Kargs& kargs, std::string_view name) {
    auto found = kargs.find(name);
    return found == kargs.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace planetbox
