// Filling in scripts: a value must come out as it went in, and nothing else may change.
// Input: template, NUL, value of {{a}}.
#include <cstdlib>
#include <string>

#include "base/strings.h"
#include "wire/script_template.h"

using namespace planetbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    auto parts = split_once(input, '\0');
    std::string_view text = parts ? parts->first : input, value = parts ? parts->second : "";
    auto filled = fill_script(text, {{"a", value}});
    if (!filled) return 0;
    if (text.find("{{") == text.npos && *filled != text) abort();
    // Filled with nothing, it is the same text without the placeholders.
    auto empty = fill_script(text, {{"a", ""}});
    if (!empty || empty->size() > filled->size()) abort();
    if (is_script_word(value) && (value.find('\n') != value.npos || value.find(' ') != value.npos))
        abort();
    return 0;
}
