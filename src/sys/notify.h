// systemd's readiness protocol, the sending side (sd_notify(3): datagrams of KEY=VALUE lines on a
// Unix socket).
//
// Daemons say READY=1 to whoever started them, systemd or `up`, and ping the watchdog
// (event/watchdog.h does that from a loop).  Without NOTIFY_SOCKET in the environment every call
// does nothing, so a daemon in a terminal needs no special case.  The receiving side is
// central/notify_receiver.h.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"

namespace planetbox {

// Sends the lines as they are ("STATUS=…\nREADY=1").  Failure is not an error of the daemon's: it
// is logged at debug and forgotten.
void notify_manager(std::string_view lines);

inline void notify_ready() { notify_manager("READY=1"); }
inline void notify_stopping() { notify_manager("STOPPING=1"); }
inline void notify_watchdog() { notify_manager("WATCHDOG=1"); }

// What WATCHDOG_USEC and WATCHDOG_PID ask of this process; nullopt when nothing.
std::optional<Millis> watchdog_interval();

}  // namespace planetbox
