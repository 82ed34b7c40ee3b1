// How long to wait before a daemon that died is started again.
//
// The wait doubles from `first` to `most` and is spread by a quarter either way, so that several
// daemons that died of one cause do not come back in step.  Whoever stays healthy for
// `healthy_after` begins anew.
#pragma once

#include "base/clock.h"

namespace planetbox {

struct RestartBackoffLimits {
    Millis first{200};
    Millis most{30'000};
    Millis healthy_after{120'000};
};

class RestartBackoff {
public:
    explicit RestartBackoff(RestartBackoffLimits limits = {}) : limits_(limits) {}
    void started(MonoTime now) { started_ = now; }
    // After a death: the wait before the next start.  `random` in [0, 1).
    Millis next_wait(MonoTime now, double random);
    // Deaths since it was last healthy.
    int failures() const { return failures_; }

private:
    RestartBackoffLimits limits_;
    MonoTime started_{};
    int failures_ = 0;
};

}  // namespace planetbox
