// modules.dep, modules.alias, modules.softdep and a device's name, split at NUL bytes.
#include <cstdlib>

#include "base/strings.h"
#include "init/module_index.h"

using namespace planetbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size > 16384) return 0;
    auto parts = split({reinterpret_cast<const char*>(data), size}, '\0');
    parts.resize(4);
    ModuleIndex index = ModuleIndex::parse(parts[0], parts[1], parts[2]);
    for (const std::string& name : index.match(parts[3]))
        if (index.load_order(name).size() > 257) abort();
    (void)index.load_order(parts[3]);
    return 0;
}
