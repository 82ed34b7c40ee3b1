// The list of services: every service that comes out can be started, and the limits hold.
#include <cstdlib>

#include "init/services.h"

using namespace planetbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ServiceList list = parse_services({reinterpret_cast<const char*>(data), size});
    if (list.services.size() > 100 || list.errors.size() > 21) abort();
    for (const Service& service : list.services) {
        if (service.argv.empty() || service.argv[0].empty() || service.name.empty()) abort();
        for (const std::string& word : service.argv)
            if (word.find('\0') != std::string::npos) abort();
    }
    return 0;
}
