#include "init/hardware_watchdog.h"

#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys/files.h"

namespace planetbox {

Result<int> HardwareWatchdog::start(int wanted_seconds) {
    if (device_.ok()) return timeout_;
    device_ = TRY(open_file("/dev/watchdog", O_WRONLY));
    // Drivers round, or know one timeout only: what counts is what they answer.
    int timeout = wanted_seconds;
    if (ioctl(device_.get(), WDIOC_SETTIMEOUT, &timeout) < 0 &&
        ioctl(device_.get(), WDIOC_GETTIMEOUT, &timeout) < 0)
        timeout = 30;
    timeout_ = timeout < 4 ? 4 : timeout;
    pet();
    schedule();
    return timeout_;
}

void HardwareWatchdog::schedule() {
    timer_ = loop_.after(Millis(timeout_ * 250), [this] {
        pet();
        schedule();
    });
}

void HardwareWatchdog::pet() {
    if (device_.ok()) [[maybe_unused]]
        ssize_t count = ::write(device_.get(), "\0", 1);
}

void HardwareWatchdog::stop() {
    loop_.cancel(timer_);
    timer_ = 0;
    if (!device_.ok()) return;
    // The driver's sign that closing it is meant ("magic close").
    [[maybe_unused]] ssize_t count = ::write(device_.get(), "V", 1);
    device_.reset();
}

}  // namespace planetbox
