// Kernel command lines: no input may crash the parser, and no word may get lost or doubled.
#include "base/result.h"
#include "wire/kargs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace planetbox;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    size_t length = 0;
    for (const auto& [name, value] : parse_kargs(text)) {
        CHECK(name.find(' ') == std::string::npos && value.find(' ') == std::string::npos);
        CHECK(name.find('=') == std::string::npos);
        length += name.size() + value.size();
    }
    CHECK(length <= size);
    return 0;
}
