// Command strings: no crash, and words that are put back in single quotes split to the same words.
#include "base/result.h"
#include "stage/shell_words.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace planetbox;
    auto words = split_shell_words({reinterpret_cast<const char*>(data), size});
    if (!words) return 0;
    std::string again;
    for (const std::string& word : *words) {
        again += " '";
        for (char c : word)
            if (c == '\'')
                again += "'\\''";
            else
                again += c;
        again += "'";
    }
    auto second = split_shell_words(again);
    CHECK(second && *second == *words);
    return 0;
}
