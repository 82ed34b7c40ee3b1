#include "init/shutdown.h"

#include <signal.h>
#include <unistd.h>

#include "base/strings.h"
#include "sys/mounts.h"
#include "sys/restart.h"

namespace planetbox {

namespace {

// Lets the loop turn (and so children be reaped) until `done` or the deadline.
template <typename Done>
bool turn_until(Loop& loop, Millis limit, Done done) {
    MonoTime deadline = loop.clock().mono() + limit;
    while (!done()) {
        auto left = deadline - loop.clock().mono();
        if (left <= std::chrono::nanoseconds(0)) return false;
        if (!loop.turn(std::min<std::chrono::nanoseconds>(left, Millis(100)))) return false;
    }
    return true;
}

void end_processes(const ShutdownParts& parts) {
    parts.supervisor.stop_all();
    turn_until(parts.loop, Millis(5000), [&] { return parts.supervisor.running() == 0; });
    // -1 is everybody but us; shells ignore SIGTERM, so they are told of the lost terminal too.
    ::kill(-1, SIGTERM);
    ::kill(-1, SIGHUP);
    ::kill(-1, SIGCONT);
    if (turn_until(parts.loop, Millis(3000), [&] { return !parts.reaper.reap(); })) return;
    ::kill(-1, SIGKILL);
    turn_until(parts.loop, Millis(2000), [&] { return !parts.reaper.reap(); });
}

}  // namespace

std::string_view ending_name(Ending ending) {
    switch (ending) {
        case Ending::kReboot:
            return "reboot";
        case Ending::kPowerOff:
            return "power off";
        case Ending::kKexec:
            return "start the new kernel";
    }
    return "?";
}

void shut_down(const ShutdownParts& parts, Ending ending, std::string_view why) {
    parts.console.step("shutdown", str_cat(ending_name(ending), ": ", why));
    end_processes(parts);
    ::sync();
    for (const std::string& stuck : unmount_all())
        parts.console.step("shutdown", "cannot unmount " + stuck);
    ::sync();
    if (ending == Ending::kKexec) {
        parts.watchdog.stop();
        parts.console.step("shutdown", "starting the new kernel");
        parts.console.drain();
        Status left = leave_kernel(Leave::kKexec);
        parts.console.step("shutdown", left.error().message() + "; rebooting");
    } else {
        parts.console.step("shutdown", str_cat("done: ", ending_name(ending)));
    }
    parts.console.drain();
    if (ending == Ending::kPowerOff) (void)leave_kernel(Leave::kPowerOff);
    (void)leave_kernel(Leave::kRestart);
    (void)sysrq_restart();
    for (;;) ::pause();
}

}  // namespace planetbox
