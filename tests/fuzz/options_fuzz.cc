// Command lines and configuration files: whatever the bytes, an outcome, and never an error text
// together with values out of their range.
//
// Input: a configuration file, a zero byte, then the words of a command line, one a line.
#include <cstdint>
#include <string>
#include <vector>

#include "base/strings.h"
#include "options.h"
#include "options_model.h"

using namespace planetbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size > 1 << 16) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto halves = split_once(text, '\0').value_or(std::pair(text, std::string_view()));
    (void)parse_config(halves.first);

    std::string state, host;
    int64_t port = 1;
    bool flag = false;
    std::chrono::milliseconds time{0};
    std::vector<std::string> names;
    Options opt("fuzz", "Fuzzed.");
    if (size % 2) opt.go_style();
    opt.value("--state,-s", &state, "h");
    opt.value("--port,-p", &port, "h").range(1, 65535);
    opt.value("--time", &time, "h");
    opt.flag("--flag,-f", &flag, "h");
    opt.list("--name", &names, "h").delimiter(',');
    Options& add = opt.sub("add", "Adds.");
    add.value("HOST", &host, "h").required();

    std::vector<std::string> words;
    for (std::string_view word : split(halves.second, '\n')) words.emplace_back(word);
    const ParseOutcome outcome = parse_words(opt.model(), words);
    CHECK(port >= 1 && port <= 65535);
    CHECK(!(outcome.help && !outcome.error.empty()));
    if (!outcome.help && outcome.error.empty()) CHECK(add.chosen());
    return 0;
}
