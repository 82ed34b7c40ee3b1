// Network interfaces set up by the kernel's old ioctls: up, down, address, default route, MTU.
//
// They do what a RAM image needs before anything else runs, in a handful of system calls and
// without a library; whoever needs more (many routes, statistics, qdiscs) uses netlink/.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "base/result.h"

namespace planetbox {

Status set_interface_up(const std::string& name, bool up);
Status set_interface_mtu(const std::string& name, int mtu);

// Addresses are in network order.  An interface's IPv4 address replaces the one before.
Status set_address_v4(const std::string& name, const in_addr& address, int prefix);
Status clear_address_v4(const std::string& name);
Status add_address_v6(const std::string& name, const in6_addr& address, int prefix);

// A gateway outside of the interface's network is reached by a host route, as hosters' /32
// addresses want it.
Status add_default_route_v4(const std::string& name, const in_addr& gateway, bool on_link);
Status add_default_route_v6(const std::string& name, const in6_addr& gateway);

}  // namespace planetbox
