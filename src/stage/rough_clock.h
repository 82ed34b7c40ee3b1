// A believable time for a machine whose battery clock is dead: `bootclient --set-clock`.
//
// Certificates are judged by the time, so a clock at 2003 keeps a machine from ever booting.  Two
// things are known before any certificate can be judged: the system cannot run before it was built
// (lower bound), and the boot server, whose chain ends in the pinned CA, says the time in its Date
// header.  That one request checks chain and name, but not the certificates' own dates.  Whoever
// has stolen an expired server key could lie about the time, but not to before the lower bound.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "stage/waiter.h"
#include "wire/kargs.h"

namespace planetbox {

struct ClockFacts {
    int64_t now = 0;                // what the machine's clock says; all are Unix seconds
    int64_t built = 0;              // when this system was made; 0: not known
    std::optional<int64_t> server;  // what the boot server says
};

struct ClockDecision {
    std::optional<int64_t> set_to;  // nullopt: leave the clock alone
    std::string why;                // a sentence without its end: for the console
};

// The server's time counts when it is not before the lower bound (less a day, for the builder's
// clock); a difference of up to 2 s is left alone.  Without it a clock before the lower bound is
// put there.
ClockDecision decide_clock(const ClockFacts& facts);

// The later of `build_epoch` (the executable's) and the number in `path` (the image's).
int64_t lower_clock_bound(int64_t build_epoch,
                          const std::string& path = "/etc/planetbox/build-time");

// https://HOST/_ah/health of the server that `action` names, or else the first of epoxy.stage1,
// stage2, stage3, report.  kNotFound when none is an https URL.
Result<std::string> clock_url(const Kargs& kargs, const std::string& action);

// Asks; takes the time from the Date header.
Result<int64_t> ask_server_time(Waiter& waiter, const std::string& ca_pem, const std::string& url,
                                Millis limit);

// Sets the system's clock.
Status set_clock(int64_t unix_seconds);

}  // namespace planetbox
