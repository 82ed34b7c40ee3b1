// Runs the central daemons as children of `up` and keeps them running.
//
// The life of one daemon:
//
//     waiting --start--> starting --READY=1--> ready
//        ^                  |                    |
//        |   backoff        | dies, or is not    | dies, or its watchdog
//        +------------------+ ready in time      | falls silent (killed)
//        +---------------------------------------+
//     stop(): SIGTERM to all; who is still there when the time is up gets SIGKILL.
//
// A child is this very executable in another role (/proc/self/exe), so an upgrade of the file on
// disk never mixes two versions.  Children die with `up` (PR_SET_PDEATHSIG), however it ends: a
// state has one master. Signals go through pidfds, so that none ever reaches a stranger that got a
// dead child's number.
//
// A daemon that dies again and again *before it has ever been ready*, or once for a wrong command
// line, is a mistake of the set-up (its port is taken, its state is broken), not an accident:
// on_start_failed is called and the owner decides to end, so that systemd and the person at the
// terminal see a failure instead of an endless loop.
//
// Nothing here blocks.  Logs starts, deaths and their causes in words.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "central/notify_receiver.h"
#include "central/restart_backoff.h"
#include "event/loop.h"

namespace planetbox {

struct DaemonSpec {
    std::string name;               // for the log
    std::vector<std::string> argv;  // argv[0] chooses the applet
};

struct DaemonSupervisorLimits {
    RestartBackoffLimits backoff;
    Millis ready_within{60'000};  // from start to READY=1, else it is killed
    Millis watchdog{30'000};      // between two WATCHDOG=1 of a ready daemon that sends them
    Millis stop_within{4'800};    // from stop() to SIGKILL: `up` promises five seconds
    int start_attempts = 5;       // deaths before it was ever ready
};

class DaemonSupervisor {
public:
    static Result<std::unique_ptr<DaemonSupervisor>> create(Loop& loop,
                                                            DaemonSupervisorLimits limits = {});
    ~DaemonSupervisor();
    DaemonSupervisor(const DaemonSupervisor&) = delete;
    DaemonSupervisor& operator=(const DaemonSupervisor&) = delete;

    void add(DaemonSpec spec);
    std::function<void()> on_all_ready;  // once, when each has been ready for the first time
    std::function<void(const std::string& daemon)> on_start_failed;  // see above; called once

    void start();
    void reload();                             // SIGHUP to all that run
    void stop(std::function<void()> stopped);  // calls back when none is left

private:
    struct Daemon;
    DaemonSupervisor(Loop& loop, DaemonSupervisorLimits limits);
    void launch(Daemon& daemon);
    void start_again_later(Daemon& daemon, bool hopeless);
    void ended(Daemon& daemon, int wait_status);
    void notified(pid_t from, std::string_view lines);
    void became_ready(Daemon& daemon);
    void arm_watchdog(Daemon& daemon);
    void kill_for(Daemon& daemon, std::string_view why);
    void finish_stop_if_done();

    Loop& loop_;
    DaemonSupervisorLimits limits_;
    std::unique_ptr<NotifyReceiver> receiver_;
    std::vector<std::unique_ptr<Daemon>> daemons_;
    std::function<void()> stopped_;
    Loop::TimerId stop_timer_ = 0;
    bool stopping_ = false;
    bool announced_ready_ = false;
    bool announced_failure_ = false;
};

}  // namespace planetbox
