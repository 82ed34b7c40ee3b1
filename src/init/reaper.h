// The children of PID 1: its own, by callback, and everybody else's orphans, which only need
// burying.
#pragma once

#include <sys/types.h>

#include <functional>
#include <unordered_map>

#include "event/loop.h"

namespace planetbox {

class Reaper {
public:
    explicit Reaper(Loop& loop) : loop_(loop) {}
    Status start();  // takes SIGCHLD

    // Calls back once, from the loop, when the child ends.  Call in the turn that started the
    // child.
    void watch(pid_t pid, Loop::ChildHandler handler) { handlers_[pid] = std::move(handler); }
    void forget(pid_t pid) { handlers_.erase(pid); }

    // Buries all that have ended; returns false when there is no child left at all.
    bool reap();
    uint64_t orphans() const { return orphans_; }

private:
    Loop& loop_;
    std::unordered_map<pid_t, Loop::ChildHandler> handlers_;
    uint64_t orphans_ = 0;
};

}  // namespace planetbox
