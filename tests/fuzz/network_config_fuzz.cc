// Kernel arguments and plnode.txt, split at the first NUL: whatever they hold, what comes out is
// sane.
#include <cstdlib>

#include "init/network.h"

using namespace planetbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    size_t nul = text.find('\0');
    std::string_view cmdline = text.substr(0, nul);
    std::string_view rest = nul == std::string_view::npos ? "" : text.substr(nul + 1);
    auto config = network_config(parse_kargs(cmdline), rest);
    if (config) {
        for (const auto& address : {config->v4, config->v6})
            if (address && (address->prefix < 1 || address->prefix > 128)) abort();
        if (!config->interface.empty() && !is_interface_name(config->interface)) abort();
        if (!config->hostname.empty() && !is_hostname(config->hostname)) abort();
        (void)resolv_conf(config->dns, config->hostname);
    }
    Lease lease = parse_lease(rest);
    if (lease.address && lease.address->prefix > 32) abort();
    return 0;
}
