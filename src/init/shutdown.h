// The end of a machine's run, in order: services, then every other process, then mounts, then the
// kernel.
#pragma once

#include <string_view>

#include "event/loop.h"
#include "init/console.h"
#include "init/hardware_watchdog.h"
#include "init/reaper.h"
#include "init/supervisor.h"

namespace planetbox {

enum class Ending { kReboot, kPowerOff, kKexec };
std::string_view ending_name(Ending ending);

struct ShutdownParts {
    Loop& loop;
    Reaper& reaper;
    Supervisor& supervisor;
    Console& console;
    HardwareWatchdog& watchdog;
};

// Takes at most about 15 s.  Does not return: where even the kernel's reboot fails, it tries the
// next stronger way (kexec → reboot → sysrq).
[[noreturn]] void shut_down(const ShutdownParts& parts, Ending ending, std::string_view why);

}  // namespace planetbox
