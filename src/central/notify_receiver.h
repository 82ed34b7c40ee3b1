// The receiving side of systemd's readiness protocol, for daemons that `up` starts (sys/notify.h
// sends).
//
// One datagram socket with an abstract name takes the notifications of all children; the kernel
// says which process sent each (SCM_CREDENTIALS), and whoever is not asked for is not heard.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "event/loop.h"

namespace planetbox {

class NotifyReceiver {
public:
    // `lines` is one datagram, KEY=VALUE lines, at most 4 KiB; from whom is the kernel's word.
    using Handler = std::function<void(pid_t from, std::string_view lines)>;
    static Result<std::unique_ptr<NotifyReceiver>> create(Loop& loop, Handler handler);
    ~NotifyReceiver();

    // The value of NOTIFY_SOCKET for children.
    const std::string& address() const { return address_; }

private:
    NotifyReceiver(Loop& loop, UniqueFd fd, std::string address, Handler handler);
    void receive();

    Loop& loop_;
    UniqueFd fd_;
    std::string address_;
    Handler handler_;
};

// True when the lines hold exactly this one ("READY=1").
bool notification_has(std::string_view lines, std::string_view line);

}  // namespace planetbox
