// The machine's own watchdog: as long as init's loop turns it is petted; when init hangs, or the
// kernel does, the machine resets and boots again.
//
// It must not outlive init where nobody would pet it: before another kernel takes over it is
// stopped, since that system may have no driver for it.  At reboot and power-off it is left
// running, in case they hang.
#pragma once

#include "event/loop.h"

namespace planetbox {

class HardwareWatchdog {
public:
    explicit HardwareWatchdog(Loop& loop) : loop_(loop) {}
    ~HardwareWatchdog() { loop_.cancel(timer_); }

    // Starts petting when /dev/watchdog is there; kNotFound when not.  Returns the timeout in
    // seconds.
    Result<int> start(int wanted_seconds);
    void pet();
    void stop();
    bool running() const { return device_.ok(); }

private:
    void schedule();

    Loop& loop_;
    UniqueFd device_;
    Loop::TimerId timer_ = 0;
    int timeout_ = 60;
};

}  // namespace planetbox
