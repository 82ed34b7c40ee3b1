#include "sys/restart.h"

#include <poll.h>
#include <signal.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/files.h"

namespace planetbox {

// The C library has no name for it.
static constexpr int kRebootKexec = 0x45584543;  // LINUX_REBOOT_CMD_KEXEC

Status leave_kernel(Leave how) {
    int command = RB_AUTOBOOT;
    if (how == Leave::kPowerOff) command = RB_POWER_OFF;
    if (how == Leave::kHalt) command = RB_HALT_SYSTEM;
    if (how == Leave::kKexec) command = kRebootKexec;
    if (::reboot(command) == 0) return {};
    if (how == Leave::kKexec && errno == EINVAL)
        return fail(Error(Code::kInvalid, "no kernel is loaded to start").with_errno(EINVAL));
    return fail_errno("reboot");
}

void ask_init_for_kexec() {
    if (::getpid() == 1) return;
    struct stat one{}, ours{};
    if (::stat("/proc/1/exe", &one) < 0 || ::stat("/proc/self/exe", &ours) < 0) return;
    if (one.st_dev != ours.st_dev || one.st_ino != ours.st_ino) return;
    if (::kill(1, SIGRTMIN + 6) < 0) return;  // systemd's number for it, too
    ::poll(nullptr, 0, 20'000);
}

Status sysrq_restart(const std::string& proc) {
    // Without this the next write may be refused by the distribution's default mask.
    TRY(write_existing(proc + "/sys/kernel/sysrq", "1"));
    return write_existing(proc + "/sysrq-trigger", "b");
}

}  // namespace planetbox
