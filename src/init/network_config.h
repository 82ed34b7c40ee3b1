// What network a node shall use: from the kernel's command line and the medium's plnode.txt.
//
// Forms understood, the first that is there wins:
//   epoxy.ipv4=addr/len,gw,dns1,dns2   and   epoxy.ipv6=  the same, or empty: no IPv6 at all
//   epoxy.ip=addr::gw:mask:host:eth0:off:dns1:dns2         (ePoxy's older form)
//   ip=  the kernel's own form, which is the same; also ip=dhcp, ip=eth0:dhcp, [v6]::[gw]:len:…
//   plnode.txt                                             (wire/plnode.h; IP_METHOD, IP_ADDRESS,
//   …) nothing: DHCP on the first interface with a link
// besides epoxy.interface=, epoxy.hostname=, and plnode.txt's NET_DEVICE and HOST_NAME.
//
// Pure; network.h acts on it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "wire/kargs.h"

namespace planetbox {

struct StaticAddress {
    IpAddress address;
    int prefix = 0;
    std::optional<IpAddress> gateway;
    std::string text() const;  // "10.0.0.2/24"
    bool operator==(const StaticAddress&) const = default;
};

struct NetworkConfig {
    std::string interface;  // name; empty: by mac, or the first with a link
    std::string mac;        // lower case with colons; empty: any
    std::optional<StaticAddress> v4;
    std::optional<StaticAddress> v6;
    bool v6_off = false;  // epoxy.ipv6= is there and empty
    std::vector<IpAddress> dns;
    std::string hostname;  // from epoxy.hostname or the ip= form; empty: from DHCP, or none
    std::string source;    // where the address comes from: "epoxy.ipv4", "plnode.txt", "DHCP"
    bool dhcp() const { return !v4 && !v6; }
};

// `plnode_text` is the file's content, empty when there is none.  A form that is there and wrong is
// kInvalid naming the word or line; the caller says so and goes on with DHCP.
Result<NetworkConfig> network_config(const Kargs& kargs, std::string_view plnode_text);

// "addr/len,gw,dns1,dns2"; all behind the first comma may be missing or empty.
Result<void> parse_epoxy_address(std::string_view text, bool want_v4, NetworkConfig& config);
// The kernel's ip= form.
Result<void> parse_kernel_ip(std::string_view text, NetworkConfig& config);

// A host name that the kernel and resolv.conf take: letters, digits, '-', '.', '_'; at most 64.
bool is_hostname(std::string_view text);
// A network interface's name: 1 to 15 characters, no '/', no space.
bool is_interface_name(std::string_view text);

// resolv.conf's text: at most three name servers, as libc and c-ares read.
std::string resolv_conf(const std::vector<IpAddress>& dns, std::string_view domain);

}  // namespace planetbox
