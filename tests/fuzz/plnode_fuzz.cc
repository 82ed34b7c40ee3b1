// plnode.txt from a medium that anybody may have edited: whatever is accepted must be written back
// and read again as the same.
#include <cstdlib>

#include "wire/plnode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto node = planetbox::parse_plnode(text);
    if (!node) return 0;
    auto written = planetbox::write_plnode(*node);
    if (!written) return 0;  // over a limit once everything is spelt out
    auto again = planetbox::parse_plnode(*written);
    if (!again || !(*again == *node)) abort();
    planetbox::Plnode copy;
    copy.host_name = node->host_name;
    if (std::string net = planetbox::plnode_epoxy_ipv4(*node); !net.empty())
        if (!planetbox::set_plnode_epoxy_ipv4(copy, net)) abort();
    return 0;
}
