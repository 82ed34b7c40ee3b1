// Leaving this kernel: restart, power off, or the kernel that kexec has loaded.
//
// Called by init at the end of its shutdown, by the kexec applet, and by bootclient as the last
// resort.  None of these syncs: file systems are the caller's business.  (Not called reboot.h,
// which would hide the C library's <sys/reboot.h>.)
#pragma once

#include <string>

#include "base/result.h"

namespace planetbox {

enum class Leave { kRestart, kPowerOff, kHalt, kKexec };

// Returns only on failure (or in a PID namespace, where it ends the namespace's init).
// Errors: kDenied without CAP_SYS_BOOT; kInvalid for kKexec when no kernel is loaded.
Status leave_kernel(Leave how);

// When process 1 is this very program, planetbox's init, asks it to start the loaded kernel and
// waits until it does: it ends services, unmounts, and stops the hardware watchdog, which would
// otherwise reset the next system, that may not know of it.  Returns when process 1 is something
// else, or has not done it in 20 s.
void ask_init_for_kexec();

// Restarts at once through sysrq, as epoxy_client does: works when drivers or file systems hang and
// a proper restart would too.  `proc` is where procfs is mounted.
Status sysrq_restart(const std::string& proc = "/proc");

}  // namespace planetbox
