// The reactor: one epoll loop a process, no threads.
//
// Handlers are transactions: bounded work, no blocking but on the local disk.  Long work is done by
// a worker process (sys/process.h) whose end the loop reports.
//
// Guarantees:
// - a handler may watch, modify and unwatch any fd, itself included; an fd that is unwatched gets
// no
//   further call, even for an event that was already fetched;
// - at_end_of_turn() callbacks run once, after every ready fd of this turn was handled and before
//   the loop sleeps: this is where a group commit (store/group_commit.h) belongs;
// - timers run in order of their deadline, on the monotonic clock; one that a timer sets waits for
// the
//   next turn, however early it is due, so that descriptors get their turn, too;
// - a handler may call turn() (a synchronous wait); what is unwatched inside is freed only when the
//   outermost turn ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace planetbox {

class Loop {
public:
    using IoHandler = std::function<void(uint32_t events)>;  // EPOLLIN, EPOLLOUT, EPOLLHUP, …
    using Callback = std::function<void()>;
    using ChildHandler = std::function<void(int wait_status)>;  // as waitpid(2) gives it
    using TimerId = uint64_t;                                   // 0 is never a timer

    static Result<std::unique_ptr<Loop>> create(const Clock& clock);
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    const Clock& clock() const { return clock_; }

    // The fd stays the caller's, who must unwatch it before closing it.  Watching an fd that is
    // watched already is a bug (CHECK).
    Status watch(int fd, uint32_t events, IoHandler handler);
    Status modify(int fd, uint32_t events);
    void unwatch(int fd);

    TimerId after(std::chrono::nanoseconds delay, Callback callback);
    void cancel(TimerId id);  // 0 and unknown ids are ignored

    void at_end_of_turn(Callback callback);

    // Blocks the signal and delivers it as an event.  One handler a signal.
    Status on_signal(int signal_number, Callback callback);
    // Calls back once when the child ends, and reaps it.  The child must not be reaped elsewhere
    // (its status is then lost, and told as exit status 255).
    Status on_child(pid_t pid, ChildHandler handler);

    // Runs until stop(), also one that was called before.  Fails only if epoll itself does.
    Status run();
    // One turn: waits at most `limit` for something to do.  For tests and for synchronous waits.
    Status turn(std::chrono::nanoseconds limit);
    void stop() { stopping_ = true; }

private:
    struct Watch;
    explicit Loop(const Clock& clock);
    void run_due_timers();
    void run_end_of_turn();
    int sleep_millis(std::chrono::nanoseconds limit) const;
    void on_signal_ready();

    const Clock& clock_;
    UniqueFd epoll_;
    UniqueFd signal_fd_;
    std::vector<std::unique_ptr<Watch>> watches_;  // index = fd
    std::vector<std::unique_ptr<Watch>> retired_;  // freed at the end of the turn
    std::map<std::pair<MonoTime, TimerId>, Callback> timers_;
    std::unordered_map<TimerId, MonoTime> timer_deadlines_;
    std::vector<Callback> end_of_turn_;
    std::map<int, Callback> signals_;
    TimerId next_timer_ = 1;
    int depth_ = 0;  // of nested turns
    bool stopping_ = false;
};

}  // namespace planetbox
