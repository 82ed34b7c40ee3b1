#include "event/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/strings.h"

namespace planetbox {

// `live` turns false when the fd is unwatched; the closure itself is freed only after the turn, so
// a handler may unwatch itself.
struct Loop::Watch {
    int fd;
    IoHandler handler;
    bool live = true;
};

Loop::Loop(const Clock& clock) : clock_(clock) {}

// What a handler holds may unwatch and cancel when it is destroyed: take everything out of the
// tables first, one by one.
Loop::~Loop() {
    auto timers = std::move(timers_);
    auto callbacks = std::move(end_of_turn_);
    auto signals = std::move(signals_);
    timers_.clear();
    timer_deadlines_.clear();
    end_of_turn_.clear();
    signals_.clear();
    for (size_t i = 0; i < watches_.size(); ++i) auto gone = std::move(watches_[i]);
    timers.clear();
    callbacks.clear();
    signals.clear();
    auto retired = std::move(retired_);
    retired_.clear();
}

Result<std::unique_ptr<Loop>> Loop::create(const Clock& clock) {
    std::unique_ptr<Loop> loop(new Loop(clock));
    loop->epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
    if (!loop->epoll_.ok()) return fail_errno("epoll_create1");
    return loop;
}

Status Loop::watch(int fd, uint32_t events, IoHandler handler) {
    CHECK(fd >= 0);
    auto index = static_cast<size_t>(fd);
    if (index >= watches_.size()) watches_.resize(index + 1);
    CHECK(!watches_[index]);
    auto watch = std::make_unique<Watch>(Watch{fd, std::move(handler)});
    epoll_event event{};
    event.events = events;
    event.data.ptr = watch.get();
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        return fail_errno(strf("epoll add fd %d", fd));
    watches_[index] = std::move(watch);
    return {};
}

Status Loop::modify(int fd, uint32_t events) {
    auto index = static_cast<size_t>(fd);
    CHECK(index < watches_.size() && watches_[index]);
    epoll_event event{};
    event.events = events;
    event.data.ptr = watches_[index].get();
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0)
        return fail_errno(strf("epoll modify fd %d", fd));
    return {};
}

void Loop::unwatch(int fd) {
    auto index = static_cast<size_t>(fd);
    if (fd < 0 || index >= watches_.size() || !watches_[index]) return;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    watches_[index]->live = false;
    retired_.push_back(std::move(watches_[index]));
}

Loop::TimerId Loop::after(std::chrono::nanoseconds delay, Callback callback) {
    TimerId id = next_timer_++;
    MonoTime now = clock_.mono();
    if (delay < std::chrono::nanoseconds(0)) delay = std::chrono::nanoseconds(0);
    MonoTime deadline = delay < MonoTime::max() - now ? now + delay : MonoTime::max();
    timers_.emplace(std::pair(deadline, id), std::move(callback));
    timer_deadlines_.emplace(id, deadline);
    return id;
}

void Loop::cancel(TimerId id) {
    auto found = timer_deadlines_.find(id);
    if (found == timer_deadlines_.end()) return;
    timers_.erase({found->second, id});
    timer_deadlines_.erase(found);
}

void Loop::at_end_of_turn(Callback callback) { end_of_turn_.push_back(std::move(callback)); }

Status Loop::on_signal(int signal_number, Callback callback) {
    signals_[signal_number] = std::move(callback);
    sigset_t set;
    sigemptyset(&set);
    for (auto& [number, handler] : signals_) sigaddset(&set, number);
    if (sigprocmask(SIG_BLOCK, &set, nullptr) < 0) return fail_errno("sigprocmask");
    int fd = signalfd(signal_fd_.get(), &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) return fail_errno("signalfd");
    if (signal_fd_.ok()) return {};
    signal_fd_.reset(fd);
    return watch(fd, EPOLLIN, [this](uint32_t) { on_signal_ready(); });
}

void Loop::on_signal_ready() {
    signalfd_siginfo info;
    while (::read(signal_fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        auto found = signals_.find(static_cast<int>(info.ssi_signo));
        if (found == signals_.end()) continue;
        Callback callback = found->second;  // a copy: the handler may replace itself
        callback();
    }
}

Status Loop::on_child(pid_t pid, ChildHandler handler) {
    // Shared, because a std::function must be copyable; closed with the handler, whenever that
    // goes.
    auto pidfd = std::make_shared<UniqueFd>(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd->ok()) return fail_errno(strf("pidfd_open %d", pid));
    int fd = pidfd->get();
    return watch(fd, EPOLLIN, [this, pid, pidfd, handler = std::move(handler)](uint32_t) {
        int status = 0;
        pid_t reaped = waitpid(pid, &status, WNOHANG);
        if (reaped == 0) return;
        ChildHandler ended = handler;  // the watch goes before the handler runs
        unwatch(pidfd->get());
        pidfd->reset();
        ended(reaped == pid ? status : W_EXITCODE(255, 0));
    });
}

int Loop::sleep_millis(std::chrono::nanoseconds limit) const {
    if (!end_of_turn_.empty() || stopping_) return 0;
    auto wait = limit;
    if (!timers_.empty()) {
        auto until = timers_.begin()->first.first - clock_.mono();
        if (until < wait) wait = until;
    }
    if (wait <= std::chrono::nanoseconds(0)) return 0;
    auto millis = std::chrono::ceil<Millis>(wait).count();
    return millis > 60'000 ? 60'000 : static_cast<int>(millis);
}

void Loop::run_due_timers() {
    MonoTime now = clock_.mono();
    TimerId first_new = next_timer_;
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
        auto first = timers_.begin();
        if (first->first.second >= first_new) return;
        Callback callback = std::move(first->second);
        timer_deadlines_.erase(first->first.second);
        timers_.erase(first);
        callback();
    }
}

void Loop::run_end_of_turn() {
    std::vector<Callback> batch;
    batch.swap(end_of_turn_);
    for (Callback& callback : batch) callback();
}

Status Loop::turn(std::chrono::nanoseconds limit) {
    epoll_event events[256];
    int count = epoll_wait(epoll_.get(), events, 256, sleep_millis(limit));
    if (count < 0 && errno != EINTR) return fail_errno("epoll_wait");
    ++depth_;
    for (int i = 0; i < count; ++i) {
        auto* watch = static_cast<Watch*>(events[i].data.ptr);
        if (watch->live) watch->handler(events[i].events);
    }
    run_due_timers();
    run_end_of_turn();
    if (--depth_ == 0) {
        auto retired = std::move(retired_);  // freeing one may retire another
        retired_.clear();
    }
    return {};
}

Status Loop::run() {
    while (!stopping_) TRY(turn(std::chrono::hours(1)));
    stopping_ = false;
    return {};
}

}  // namespace planetbox
