#include "sys/interfaces.h"

#include <net/if.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace planetbox {

namespace {

// Of linux/ipv6.h, which does not go together with netinet/in.h.
struct Ifreq6 {
    in6_addr address;
    uint32_t prefix;
    int index;
};

Result<UniqueFd> control_socket(int family) {
    UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd.ok()) return fail_errno("socket");
    return fd;
}

Result<ifreq> request_for(const std::string& name) {
    ifreq request{};
    if (name.empty() || name.size() >= sizeof request.ifr_name)
        return fail(Code::kInvalid, "bad interface name " + printable(name));
    memcpy(request.ifr_name, name.data(), name.size());
    return request;
}

Status control(int fd, unsigned long what, void* argument, std::string_view name,
               std::string_view step) {
    if (::ioctl(fd, what, argument) == 0) return {};
    return fail_errno(str_cat(name, ": ", step));
}

sockaddr_in v4_sockaddr(const in_addr& address) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr = address;
    return out;
}

in_addr mask_of(int prefix) { return {prefix == 0 ? 0 : htonl(~uint32_t(0) << (32 - prefix))}; }

Status add_route_v4(int fd, const std::string& name, const in_addr& to, const in_addr& mask,
                    const in_addr* gateway) {
    rtentry route{};
    sockaddr_in destination = v4_sockaddr(to), netmask = v4_sockaddr(mask);
    memcpy(&route.rt_dst, &destination, sizeof destination);
    memcpy(&route.rt_genmask, &netmask, sizeof netmask);
    route.rt_flags = RTF_UP;
    if (gateway) {
        sockaddr_in via = v4_sockaddr(*gateway);
        memcpy(&route.rt_gateway, &via, sizeof via);
        route.rt_flags |= RTF_GATEWAY;
    }
    std::string device = name;
    route.rt_dev = device.data();
    if (::ioctl(fd, SIOCADDRT, &route) == 0 || errno == EEXIST) return {};
    return fail_errno(name + ": route");
}

}  // namespace

Status set_interface_up(const std::string& name, bool up) {
    UniqueFd fd = TRY(control_socket(AF_INET));
    ifreq request = TRY(request_for(name));
    TRY(control(fd.get(), SIOCGIFFLAGS, &request, name, "flags"));
    int flags = up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP;
    request.ifr_flags = static_cast<short>(flags);
    return control(fd.get(), SIOCSIFFLAGS, &request, name, up ? "set up" : "set down");
}

Status set_interface_mtu(const std::string& name, int mtu) {
    UniqueFd fd = TRY(control_socket(AF_INET));
    ifreq request = TRY(request_for(name));
    request.ifr_mtu = mtu;
    return control(fd.get(), SIOCSIFMTU, &request, name, "MTU");
}

Status set_address_v4(const std::string& name, const in_addr& address, int prefix) {
    if (prefix < 0 || prefix > 32) return fail(Code::kInvalid, strf("prefix %d", prefix));
    UniqueFd fd = TRY(control_socket(AF_INET));
    ifreq request = TRY(request_for(name));
    sockaddr_in value = v4_sockaddr(address);
    memcpy(&request.ifr_addr, &value, sizeof value);
    TRY(control(fd.get(), SIOCSIFADDR, &request, name, "address"));
    value = v4_sockaddr(mask_of(prefix));
    memcpy(&request.ifr_netmask, &value, sizeof value);
    TRY(control(fd.get(), SIOCSIFNETMASK, &request, name, "netmask"));
    value = v4_sockaddr({address.s_addr | ~mask_of(prefix).s_addr});
    memcpy(&request.ifr_broadaddr, &value, sizeof value);
    if (prefix < 31) return control(fd.get(), SIOCSIFBRDADDR, &request, name, "broadcast address");
    return {};
}

Status clear_address_v4(const std::string& name) {
    UniqueFd fd = TRY(control_socket(AF_INET));
    ifreq request = TRY(request_for(name));
    sockaddr_in value = v4_sockaddr({0});
    memcpy(&request.ifr_addr, &value, sizeof value);
    if (::ioctl(fd.get(), SIOCSIFADDR, &request) == 0 || errno == EADDRNOTAVAIL) return {};
    return fail_errno(name + ": clear address");
}

Status add_address_v6(const std::string& name, const in6_addr& address, int prefix) {
    UniqueFd fd = TRY(control_socket(AF_INET6));
    Ifreq6 request{address, static_cast<uint32_t>(prefix),
                   static_cast<int>(::if_nametoindex(name.c_str()))};
    if (::ioctl(fd.get(), SIOCSIFADDR, &request) == 0 || errno == EEXIST) return {};
    return fail_errno(name + ": IPv6 address");
}

Status add_default_route_v4(const std::string& name, const in_addr& gateway, bool on_link) {
    UniqueFd fd = TRY(control_socket(AF_INET));
    if (!on_link) TRY(add_route_v4(fd.get(), name, gateway, mask_of(32), nullptr));
    return add_route_v4(fd.get(), name, {0}, {0}, &gateway);
}

Status add_default_route_v6(const std::string& name, const in6_addr& gateway) {
    UniqueFd fd = TRY(control_socket(AF_INET6));
    in6_rtmsg route{};
    route.rtmsg_gateway = gateway;
    route.rtmsg_metric = 1024;
    route.rtmsg_flags = RTF_UP | RTF_GATEWAY;
    route.rtmsg_ifindex = static_cast<int>(::if_nametoindex(name.c_str()));
    if (::ioctl(fd.get(), SIOCADDRT, &route) == 0 || errno == EEXIST) return {};
    int first = errno;
    // As for IPv4: a gateway that no prefix covers gets a route of its own first.
    in6_rtmsg host{};
    host.rtmsg_dst = gateway;
    host.rtmsg_dst_len = 128;
    host.rtmsg_metric = 1024;
    host.rtmsg_flags = RTF_UP | RTF_HOST;
    host.rtmsg_ifindex = route.rtmsg_ifindex;
    if (::ioctl(fd.get(), SIOCADDRT, &host) == 0 && ::ioctl(fd.get(), SIOCADDRT, &route) == 0)
        return {};
    return fail(sys_error(name + ": IPv6 route", first));
}

}  // namespace planetbox
