// Internet addresses and sockets bound to them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace planetbox {

// An IPv4 or IPv6 address without a port.  ::ffff:a.b.c.d is folded to IPv4 when parsed or taken
// from a socket, so that two ways of writing one peer compare equal.
class IpAddress {
public:
    IpAddress() = default;                                         // 0.0.0.0
    static std::optional<IpAddress> parse(std::string_view text);  // "10.0.0.1", "2001:db8::1"
    static IpAddress from_sockaddr(const sockaddr* address);
    bool is_v4() const { return v4_; }
    bool is_loopback() const;
    std::string text() const;  // RFC 5952 for IPv6
    bool operator==(const IpAddress&) const = default;
    auto operator<=>(const IpAddress&) const = default;
    const uint8_t* bytes() const { return bytes_; }  // 4 or 16, network order
    size_t size() const { return v4_ ? 4 : 16; }

private:
    uint8_t bytes_[16] = {};
    bool v4_ = true;
};

struct Endpoint {
    IpAddress address;
    uint16_t port = 0;
    std::string text() const;  // "10.0.0.1:443", "[2001:db8::1]:443"
};
// "10.0.0.1:443", "[::]:443", ":443" (all addresses, v6 dual stack), "443".
Result<Endpoint> parse_endpoint(std::string_view text);

// A listening TCP socket: non-blocking, CLOEXEC, SO_REUSEADDR, and SO_REUSEPORT when asked.  "::"
// also takes IPv4.
Result<UniqueFd> listen_tcp(const Endpoint& endpoint, int backlog, bool reuse_port = false);
uint16_t local_port(int socket_fd);

}  // namespace planetbox
