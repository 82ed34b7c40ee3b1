#include "central/daemon_supervisor.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "crypto/random.h"
#include "sys/process.h"

extern char** environ;

namespace planetbox {

namespace {

constexpr std::string_view kComponent = "up";

double random_fraction() {
    std::string bytes = random_bytes(2);
    unsigned value =
        static_cast<unsigned char>(bytes[0]) * 256u + static_cast<unsigned char>(bytes[1]);
    return value / 65536.0;
}

// Our own environment, but for what our own supervisor told us: a child reports to us.
std::vector<std::string> child_environment(const std::string& notify_address, Millis watchdog) {
    std::vector<std::string> env;
    for (char** entry = environ; *entry; ++entry) {
        std::string_view text = *entry;
        if (text.starts_with("NOTIFY_SOCKET=") || text.starts_with("WATCHDOG_") ||
            text.starts_with("LISTEN_"))
            continue;
        env.emplace_back(text);
    }
    env.push_back("NOTIFY_SOCKET=" + notify_address);
    env.push_back(strf("WATCHDOG_USEC=%lld", static_cast<long long>(watchdog.count()) * 1000));
    return env;
}

}  // namespace

struct DaemonSupervisor::Daemon {
    enum class Phase { kWaiting, kStarting, kReady };
    DaemonSpec spec;
    RestartBackoff backoff;
    Phase phase = Phase::kWaiting;
    pid_t pid = 0;  // 0: not running
    UniqueFd pidfd;
    Loop::TimerId timer = 0;  // start again, not ready in time, or watchdog
    bool ever_ready = false;
    bool feeds_watchdog = false;  // since this start
    std::string killed_because;   // by us; empty: it died by itself

    void signal(int number) const {
        if (pidfd.ok()) ::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0);
    }
};

DaemonSupervisor::DaemonSupervisor(Loop& loop, DaemonSupervisorLimits limits)
    : loop_(loop), limits_(limits) {}

DaemonSupervisor::~DaemonSupervisor() {
    for (auto& daemon : daemons_) loop_.cancel(daemon->timer);
    loop_.cancel(stop_timer_);
}

Result<std::unique_ptr<DaemonSupervisor>> DaemonSupervisor::create(Loop& loop,
                                                                   DaemonSupervisorLimits limits) {
    std::unique_ptr<DaemonSupervisor> made(new DaemonSupervisor(loop, limits));
    DaemonSupervisor* raw = made.get();
    made->receiver_ = TRY(NotifyReceiver::create(
        loop, [raw](pid_t from, std::string_view lines) { raw->notified(from, lines); }));
    return made;
}

void DaemonSupervisor::add(DaemonSpec spec) {
    auto daemon = std::make_unique<Daemon>();
    daemon->spec = std::move(spec);
    daemon->backoff = RestartBackoff(limits_.backoff);
    daemons_.push_back(std::move(daemon));
}

void DaemonSupervisor::start() {
    for (auto& daemon : daemons_) launch(*daemon);
}

void DaemonSupervisor::launch(Daemon& daemon) {
    daemon.timer = 0;
    daemon.killed_because.clear();
    daemon.feeds_watchdog = false;
    daemon.backoff.started(loop_.clock().mono());
    SpawnOptions options;
    options.argv = daemon.spec.argv;
    options.self = true;
    options.env = child_environment(receiver_->address(), limits_.watchdog);
    options.die_with_parent = true;
    // The parent may have died before the child asked to die with it.
    pid_t self = ::getpid();
    options.in_child = [self]() -> const char* {
        if (::getppid() == self) return nullptr;
        errno = ESRCH;
        return "supervisor";
    };
    Result<pid_t> pid = spawn(options);
    if (!pid) {
        log_error(kComponent, "cannot start a daemon",
                  {{"daemon", daemon.spec.name}, {"error", pid.error().message()}});
        start_again_later(daemon, false);
        return;
    }
    daemon.pid = *pid;
    daemon.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
    daemon.phase = Daemon::Phase::kStarting;
    Status watched = loop_.on_child(*pid, [this, &daemon](int status) { ended(daemon, status); });
    CHECK(watched.has_value());
    daemon.timer = loop_.after(limits_.ready_within, [this, &daemon] {
        daemon.timer = 0;
        kill_for(daemon, "was not ready in time");
    });
    log_debug(kComponent, "started a daemon",
              {{"daemon", daemon.spec.name}, {"pid", std::to_string(*pid)}});
}

void DaemonSupervisor::start_again_later(Daemon& daemon, bool hopeless) {
    daemon.phase = Daemon::Phase::kWaiting;
    Millis wait = daemon.backoff.next_wait(loop_.clock().mono(), random_fraction());
    hopeless = hopeless || daemon.backoff.failures() >= limits_.start_attempts;
    if (!daemon.ever_ready && hopeless && !announced_failure_) {
        announced_failure_ = true;
        if (on_start_failed) on_start_failed(daemon.spec.name);
        if (stopping_) return;
    }
    log_info(kComponent, "starts it again soon",
             {{"daemon", daemon.spec.name}, {"in", human_duration(wait)}});
    daemon.timer = loop_.after(wait, [this, &daemon] { launch(daemon); });
}

void DaemonSupervisor::ended(Daemon& daemon, int wait_status) {
    loop_.cancel(daemon.timer);
    daemon.timer = 0;
    pid_t pid = std::exchange(daemon.pid, 0);
    daemon.pidfd.reset();
    if (stopping_) {
        daemon.phase = Daemon::Phase::kWaiting;
        log_debug(kComponent, "a daemon stopped",
                  {{"daemon", daemon.spec.name}, {"how", describe_wait_status(wait_status)}});
        finish_stop_if_done();
        return;
    }
    std::string how = describe_wait_status(wait_status);
    if (!daemon.killed_because.empty()) how = str_cat(daemon.killed_because, "; ", how);
    log_warning(kComponent,
                daemon.phase == Daemon::Phase::kReady ? "a daemon died" : "a daemon did not start",
                {{"daemon", daemon.spec.name}, {"pid", std::to_string(pid)}, {"how", how}});
    // Every applet ends with 2 when its command line or configuration is wrong: trying the same
    // again cannot help.
    start_again_later(daemon, WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 2);
}

void DaemonSupervisor::notified(pid_t from, std::string_view lines) {
    auto found = std::find_if(daemons_.begin(), daemons_.end(),
                              [from](const auto& daemon) { return daemon->pid == from; });
    if (found == daemons_.end()) return;
    Daemon& daemon = **found;
    // Only who has pinged once is held to it, be it before it was ready.
    const bool pinged = notification_has(lines, "WATCHDOG=1");
    daemon.feeds_watchdog = daemon.feeds_watchdog || pinged;
    const bool now_ready =
        daemon.phase == Daemon::Phase::kStarting && notification_has(lines, "READY=1");
    if (now_ready) became_ready(daemon);
    if (daemon.phase == Daemon::Phase::kReady && daemon.feeds_watchdog && (pinged || now_ready))
        arm_watchdog(daemon);
}

void DaemonSupervisor::became_ready(Daemon& daemon) {
    loop_.cancel(daemon.timer);
    daemon.timer = 0;
    daemon.phase = Daemon::Phase::kReady;
    daemon.ever_ready = true;
    log_info(kComponent, "a daemon is ready",
             {{"daemon", daemon.spec.name}, {"pid", std::to_string(daemon.pid)}});
    bool all = std::all_of(daemons_.begin(), daemons_.end(),
                           [](const auto& other) { return other->ever_ready; });
    if (!all || announced_ready_) return;
    announced_ready_ = true;
    if (on_all_ready) on_all_ready();
}

void DaemonSupervisor::arm_watchdog(Daemon& daemon) {
    loop_.cancel(daemon.timer);
    daemon.timer = loop_.after(limits_.watchdog, [this, &daemon] {
        daemon.timer = 0;
        kill_for(daemon, "its watchdog fell silent");
    });
}

void DaemonSupervisor::kill_for(Daemon& daemon, std::string_view why) {
    daemon.killed_because = why;
    daemon.signal(SIGKILL);
}

void DaemonSupervisor::reload() {
    // A child that is not ready yet reads everything afresh anyway, and might die of the signal.
    for (auto& daemon : daemons_)
        if (daemon->phase == Daemon::Phase::kReady) daemon->signal(SIGHUP);
}

void DaemonSupervisor::stop(std::function<void()> stopped) {
    stopped_ = std::move(stopped);
    if (stopping_) return;
    stopping_ = true;
    for (auto& daemon : daemons_) {
        loop_.cancel(daemon->timer);
        daemon->timer = 0;
        daemon->signal(SIGTERM);
    }
    stop_timer_ = loop_.after(limits_.stop_within, [this] {
        for (auto& daemon : daemons_) {
            if (daemon->pid == 0) continue;
            log_warning(kComponent, "a daemon does not stop; killing it",
                        {{"daemon", daemon->spec.name}});
            daemon->signal(SIGKILL);
        }
    });
    finish_stop_if_done();
}

void DaemonSupervisor::finish_stop_if_done() {
    bool none = std::all_of(daemons_.begin(), daemons_.end(),
                            [](const auto& daemon) { return daemon->pid == 0; });
    if (none && stopped_) std::exchange(stopped_, nullptr)();
}

}  // namespace planetbox
