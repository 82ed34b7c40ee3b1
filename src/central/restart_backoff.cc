#include "central/restart_backoff.h"

#include <algorithm>

namespace planetbox {

Millis RestartBackoff::next_wait(MonoTime now, double random) {
    if (now - started_ >= limits_.healthy_after) failures_ = 0;
    Millis wait = limits_.first;
    for (int i = 0; i < failures_ && wait < limits_.most; ++i) wait *= 2;
    ++failures_;
    wait = std::min(wait, limits_.most);
    double spread = static_cast<double>(wait.count()) * (0.75 + random * 0.5);
    return std::min(Millis(static_cast<int64_t>(spread)), limits_.most);
}

}  // namespace planetbox
