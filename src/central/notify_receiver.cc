#include "central/notify_receiver.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "crypto/random.h"

namespace planetbox {

Result<std::unique_ptr<NotifyReceiver>> NotifyReceiver::create(Loop& loop, Handler handler) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.ok()) return fail_errno("notification socket");
    std::string name = str_cat("@planetbox/notify/", random_token());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    CHECK(name.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, name.data(), name.size());
    address.sun_path[0] = '\0';
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) < 0)
        return fail_errno("notification socket: bind");
    int on = 1;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
        return fail_errno("notification socket: SO_PASSCRED");
    std::unique_ptr<NotifyReceiver> receiver(
        new NotifyReceiver(loop, std::move(fd), std::move(name), std::move(handler)));
    NotifyReceiver* raw = receiver.get();
    TRY(loop.watch(raw->fd_.get(), EPOLLIN, [raw](uint32_t) { raw->receive(); }));
    return receiver;
}

NotifyReceiver::NotifyReceiver(Loop& loop, UniqueFd fd, std::string address, Handler handler)
    : loop_(loop), fd_(std::move(fd)), address_(std::move(address)), handler_(std::move(handler)) {}

NotifyReceiver::~NotifyReceiver() { loop_.unwatch(fd_.get()); }

// One datagram a call; the loop calls again while there are more.
void NotifyReceiver::receive() {
    char text[4096];
    iovec piece{text, sizeof text};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(16 * sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t length = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
    if (length < 0) return;
    pid_t from = 0;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET) continue;
        if (part->cmsg_type == SCM_CREDENTIALS) {
            ucred credentials{};
            std::memcpy(&credentials, CMSG_DATA(part), sizeof credentials);
            from = credentials.pid;
        } else if (part->cmsg_type == SCM_RIGHTS) {
            // Nobody of ours passes descriptors; whoever does must not fill our table.
            size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < count; ++i) {
                int passed = -1;
                std::memcpy(&passed, CMSG_DATA(part) + i * sizeof(int), sizeof passed);
                UniqueFd closer(passed);
            }
        }
    }
    if (from > 0 && (message.msg_flags & MSG_TRUNC) == 0)
        handler_(from, std::string_view(text, static_cast<size_t>(length)));
}

bool notification_has(std::string_view lines, std::string_view line) {
    std::vector<std::string_view> all = split(lines, '\n');
    return std::find(all.begin(), all.end(), line) != all.end();
}

}  // namespace planetbox
