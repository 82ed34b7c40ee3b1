// planetbox.conf: whatever the bytes, an error or a configuration whose every value holds.
#include <cstdint>

#include "central/config.h"
#include "net/address.h"

using namespace planetbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size > kConfigFileLimit) return 0;
    Settings settings;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (!settings.add_file(text, "fuzz.conf")) return 0;
    settings.add_defaults();
    Result<UpConfig> config = resolve_settings(settings);
    if (!config) return 0;
    CHECK(config->boot_port != 0 && config->api_port != 0);
    CHECK(config->boot_port != config->api_port);
    CHECK(IpAddress::parse(config->listen).has_value());
    CHECK(config->names.size() <= kMaxNames);
    // A name goes into certificates and URLs; what was accepted must be accepted again unchanged.
    for (const std::string& name : config->names) CHECK(check_server_name(name) == name);
    return 0;
}
