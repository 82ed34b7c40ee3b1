// plnode.txt: who a machine is, on its boot medium, in PlanetLab's form: lines KEY="value".
//
// Written by central when it makes a medium, read by the node before it has a network; so reading
// must be strict enough that a typing error is told on the console instead of half-obeyed, and
// kind enough for a file that was edited by hand: comments, empty lines, CR LF, a byte order mark,
// single quotes or none.  Nothing is ever expanded: PlanetLab's shell sourced this file, so a value
// that holds a quote, a backslash, a dollar sign, a backquote or a control character is refused.
//
// Keys: PlanetLab's (BootCD's pl_netinit and PLCAPI's GetBootMedium), and three of our own, which
// older readers skip: BOOT_SERVER, IP6_ADDRESS, IP6_GATEWAY.  A key that begins like one of these
// (NODE_, NET_, IP_, IP6_, HOST_, DOMAIN_, KEY_, IPMI_, BOOT_) and is none of them is an error,
// because it is a misspelling; other well-formed keys (WLAN_SSID, …) are kept in `extra`.
//
// Limits: 16 KiB, 200 lines, 512 bytes a line.  NODE_KEY is a secret: no message here quotes it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace planetbox {

inline constexpr size_t kPlnodeLimit = 16 * 1024;

struct Plnode {
    // Empty means absent, here as in the file (PlanetLab writes IP_DNS2="").
    std::string node_id;           // decimal
    std::string node_key;          // 16-128 characters of base64 or base64url, without '='
    std::string key_renewal_date;  // for people: "2026/11/21 at 10:12 +0000"
    std::string net_device;        // MAC address of the primary interface, lower case
    std::string ip_method;         // "dhcp" or "static"; absent means dhcp
    std::string ip_address;        // IPv4; static needs address, gateway and netmask
    std::string ip_gateway;
    std::string ip_netmask;
    std::string ip_netaddr;
    std::string ip_broadcastaddr;
    std::string ip_dns1;  // IPv4 or IPv6
    std::string ip_dns2;
    std::string ip6_address;  // "2001:db8::5/64"
    std::string ip6_gateway;
    std::string host_name;    // first label
    std::string domain_name;  // the others
    std::string ipmi_address;
    std::string ipmi_mac;
    std::string proxy_server;            // "http://host:3128" or "host:3128"
    std::string disconnected_operation;  // label of the medium that caches the boot script
    std::string boot_server;             // "https://central.example:8443", no path
    std::vector<std::pair<std::string, std::string>> extra;  // in file order

    bool operator==(const Plnode&) const = default;
};

// Errors: kInvalid "plnode.txt line 3: IP_NETMASK: …", kTooLarge.
Result<Plnode> parse_plnode(std::string_view text);

// The rules that span several values; parse and write both apply them.
Status check_plnode(const Plnode& node);

// The file, keys in PlanetLab's order.  kInvalid if parse_plnode would not take it back.
Result<std::string> write_plnode(const Plnode& node);

// "host.domain", or the part that there is.
std::string plnode_hostname(const Plnode& node);
// Splits at the first dot, as PLCAPI does.
void set_plnode_hostname(Plnode& node, std::string_view hostname);

// ePoxy's form of the static network, "addr/len,gw[,dns1[,dns2]]" (epoxy.ipv4=, epoxy.ipv6=); empty
// unless static, or without an IPv6 address.
std::string plnode_epoxy_ipv4(const Plnode& node);
std::string plnode_epoxy_ipv6(const Plnode& node);
// Sets the address values from that form; derives netmask, network and broadcast.
Status set_plnode_epoxy_ipv4(Plnode& node, std::string_view text);
Status set_plnode_epoxy_ipv6(Plnode& node, std::string_view text);

}  // namespace planetbox
