#include "sys/notify.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/log.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace planetbox {

void notify_manager(std::string_view lines) {
    const char* path = ::getenv("NOTIFY_SOCKET");
    if (!path || (path[0] != '/' && path[0] != '@')) return;
    sockaddr_un address{};
    size_t length = std::strlen(path);
    if (length < 2 || length >= sizeof address.sun_path) return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    if (!fd.ok() || ::sendto(fd.get(), lines.data(), lines.size(), MSG_NOSIGNAL,
                             reinterpret_cast<sockaddr*>(&address), size) < 0)
        log_debug("notify", "the supervisor did not take a notification, ignoring",
                  {{"error", ::strerror(errno)}});
}

std::optional<Millis> watchdog_interval() {
    const char* micros = ::getenv("WATCHDOG_USEC");
    if (!micros) return std::nullopt;
    if (const char* pid = ::getenv("WATCHDOG_PID"))
        if (parse_int(pid) != static_cast<int64_t>(::getpid())) return std::nullopt;
    std::optional<uint64_t> value = parse_uint(micros);
    if (!value || *value < 2000 || *value > 86'400'000'000ull) return std::nullopt;
    return Millis(*value / 1000);
}

}  // namespace planetbox
