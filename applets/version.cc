#include "version.h"

#include <cstdlib>
#include <cstring>

namespace planetbox {

std::string version_text() {
    const char* space = std::strchr(kVcsTag, ' ');
    const size_t length = space ? size_t(space - kVcsTag) : std::strlen(kVcsTag);
    return std::string(PLANETBOX_VERSION " (").append(kVcsTag, length) + ")";
}

int64_t build_epoch() {
    const char* space = std::strchr(kVcsTag, ' ');
    return space ? std::strtoll(space + 1, nullptr, 10) : 0;
}

}  // namespace planetbox
