// PID 1 of the RAM image: from the kernel's hand-over to a booted node, and to the end.
//
//   early set-up → drivers → loopback → attempt → … → online | new kernel
//
// An attempt is: network up (if it is not), clock believable, bootclient run for the stage that the
// command line names.  bootclient tries by itself again and again (a stage's token is good once,
// and it alone knows the answer); the machine listens, and sees to the network when its link has
// gone, and to the clock when the certificate's dates do not fit.  What fails before bootclient, or
// bootclient itself, comes again after 10 s, doubling to 5 minutes, for ever.  After the third
// failure, or at once with planetbox.rescue, there is rescue as well, and central is told by a
// report with code B16.
//
// Two things end in a reboot, unless somebody is logged in: six hours without success, as ePoxy's
// client has it, and a boot server that refuses stage 2 or 3 five times, because only stage 1 gets
// new tokens.
//
// Everything happens in one thread on one loop; waits turn the loop, so that children are buried,
// the watchdog is petted and a shutdown is obeyed at any time.
//
// Kernel arguments: epoxy.stage1 / stage2 / stage3 (which stage this is), the network's
// (network_config.h), planetbox.rescue, planetbox.watchdog=SECONDS|off.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "event/loop.h"
#include "init/console.h"
#include "init/devices.h"
#include "init/hardware_watchdog.h"
#include "init/network.h"
#include "init/reaper.h"
#include "init/rescue.h"
#include "init/shutdown.h"
#include "init/stage_job.h"
#include "init/supervisor.h"
#include "wire/kargs.h"

namespace planetbox {

// Which stage the command line asks for: "stage1", "stage2", "stage3", or empty.
std::string_view stage_of(const Kargs& kargs);
// Wait before attempt number `failures`+1, without the jitter: 10 s doubling to 5 min.
Seconds attempt_delay(int failures);

class Machine {
public:
    Machine(Loop& loop, std::string version);
    // Never returns in good order: ends in shut_down().
    [[noreturn]] void run();

private:
    void early_set_up();
    void mount_all();
    void take_signals();
    void start_watchdog();
    void load_drivers(bool with_storage);
    void load_services();
    void attempt();
    bool run_help(std::vector<std::string> argv);
    bool ready_network();
    void repair();
    void ready_clock();
    void set_clock_from_server();
    void run_stage();
    void stage_ended(int wait_status);
    void succeeded();
    void failed(std::string_view code, std::string_view detail);
    void note_failure(std::string_view code);
    void give_up(std::string why);
    void report_rescue();
    void schedule(Seconds delay);
    void enter_rescue(std::string_view why);
    bool stopping() const { return ending_.has_value(); }
    void end(Ending ending, std::string why);

    Loop& loop_;
    std::string version_;
    Kargs kargs_;
    Console console_;
    Reaper reaper_;
    HardwareWatchdog watchdog_;
    Devices devices_;
    Supervisor supervisor_;
    Network network_;
    StageJob job_;   // the stage
    StageJob help_;  // the clock; the report of the rescue
    Rescue rescue_;
    ServiceState state_;
    std::string last_code_, last_detail_;
    std::string rescue_why_;
    bool rescue_only_ = false;
    bool rescue_reported_ = false;
    bool clock_in_doubt_ = false;
    bool repair_due_ = false;
    int refusals_ = 0;
    bool attempt_due_ = true;
    bool storage_loaded_ = false;
    int failures_ = 0;
    Loop::TimerId next_attempt_ = 0;
    std::optional<Ending> ending_;
    std::string ending_why_;
};

}  // namespace planetbox
