// What a console shows of a download: how much, how fast, how long still.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"

namespace planetbox {

class ProgressMeter {
public:
    using Say = std::function<void(const std::string&)>;
    // One line each `interval`, the first after it has passed; 0: none.
    ProgressMeter(std::string name, Millis interval, const Clock& clock, Say say);

    // `total` 0: not known.
    void update(uint64_t done, uint64_t total);
    // "initram: 30 MiB in 9.7 s (3.1 MiB/s)"
    std::string summary(uint64_t received) const;

private:
    std::string name_;
    Millis interval_;
    const Clock& clock_;
    Say say_;
    MonoTime start_, last_time_;
    uint64_t last_done_ = 0;
    bool first_ = true;
};

// "12 MiB of 30 MiB (40 %), 3.1 MiB/s, 6 s left"; without a total "12 MiB, 3.1 MiB/s".
std::string progress_text(uint64_t done, uint64_t total, double bytes_per_second);

}  // namespace planetbox
