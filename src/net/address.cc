#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>

#include <cstring>

#include "base/strings.h"

namespace planetbox {

static constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos)
        return std::nullopt;
    std::string terminated(text);
    IpAddress out;
    if (inet_pton(AF_INET, terminated.c_str(), out.bytes_) == 1) return out;
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, terminated.c_str(), &v6.sin6_addr) != 1) return std::nullopt;
    return from_sockaddr(reinterpret_cast<sockaddr*>(&v6));
}

IpAddress IpAddress::from_sockaddr(const sockaddr* address) {
    IpAddress out;
    if (address->sa_family == AF_INET) {
        memcpy(out.bytes_, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
        if (memcmp(&v6, kMappedPrefix, sizeof kMappedPrefix) == 0) {
            memcpy(out.bytes_, reinterpret_cast<const uint8_t*>(&v6) + sizeof kMappedPrefix, 4);
        } else {
            memcpy(out.bytes_, &v6, 16);
            out.v4_ = false;
        }
    }
    return out;
}

bool IpAddress::is_loopback() const {
    if (v4_) return bytes_[0] == 127;
    static constexpr uint8_t kLoopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return memcmp(bytes_, kLoopback, 16) == 0;
}

std::string IpAddress::text() const {
    char out[INET6_ADDRSTRLEN];
    return inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_, out, sizeof out) ? out : "?";
}

std::string Endpoint::text() const {
    return strf(address.is_v4() ? "%s:%u" : "[%s]:%u", address.text().c_str(), port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    auto bad = [&](const char* why) {
        return fail(Code::kInvalid,
                    str_cat("address \"", printable(text, 80), "\": ", why,
                            "; write 10.0.0.1:443, [2001:db8::1]:443, :443 or 443"));
    };
    std::string_view host, port = text;
    size_t colon = text.rfind(':');
    if (colon != std::string_view::npos) {
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
    }
    auto number = parse_uint(port);
    if (!number || *number > 65535) return bad("the port is not a number from 0 to 65535");
    if (host.empty()) host = "[::]";
    bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    auto address = IpAddress::parse(host);
    if (!address) return bad("the host is not an IP address");
    if (!bracketed && host.find(':') != std::string_view::npos)
        return bad("an IPv6 address needs brackets");
    return Endpoint{*address, static_cast<uint16_t>(*number)};
}

namespace {

socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage* out) {
    *out = {};
    if (endpoint.address.is_v4()) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(out);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(endpoint.port);
        memcpy(&v4->sin_addr, endpoint.address.bytes(), 4);
        return sizeof *v4;
    }
    auto* v6 = reinterpret_cast<sockaddr_in6*>(out);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    memcpy(&v6->sin6_addr, endpoint.address.bytes(), 16);
    return sizeof *v6;
}

bool is_any_v6(const IpAddress& address) { return !address.is_v4() && address.text() == "::"; }

}  // namespace

Result<UniqueFd> listen_tcp(const Endpoint& endpoint, int backlog, bool reuse_port) {
    std::string what = str_cat("listen on ", endpoint.text());
    sockaddr_storage address;
    socklen_t size = to_sockaddr(endpoint, &address);
    UniqueFd fd(socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.ok() && errno == EAFNOSUPPORT && is_any_v6(endpoint.address))
        return listen_tcp({IpAddress(), endpoint.port}, backlog,
                          reuse_port);  // a kernel without v6
    if (!fd.ok()) return fail_errno(what);
    int on = 1, off = 0;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (reuse_port && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        return fail_errno(str_cat(what, ": SO_REUSEPORT"));
    if (address.ss_family == AF_INET6) {
        int only = is_any_v6(endpoint.address) ? off : on;
        setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    }
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) < 0) {
        // IPv6 compiled in but switched off (ipv6.disable=1): "::" then cannot be bound.
        if (errno == EADDRNOTAVAIL && is_any_v6(endpoint.address))
            return listen_tcp({IpAddress(), endpoint.port}, backlog, reuse_port);
        return fail_errno(what);
    }
    if (listen(fd.get(), backlog) < 0) return fail_errno(what);
    return fd;
}

uint16_t local_port(int socket_fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (getsockname(socket_fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) return 0;
    if (address.ss_family == AF_INET)
        return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
    return 0;
}

}  // namespace planetbox
