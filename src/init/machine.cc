#include "init/machine.h"

#include <stdlib.h>

#include <algorithm>

#include "base/strings.h"
#include "init/system_clock.h"
#include "sys/files.h"
#include "sys/kexec.h"
#include "sys/process.h"
#include "wire/failure_code.h"
#include "wire/plnode.h"

namespace planetbox {

namespace {

constexpr int kFailuresUntilRescue = 3;
constexpr Seconds kReminder{600};  // the longest silence
constexpr double kGiveUpSeconds = 6 * 3600;
constexpr Millis kStageLimit{6 * 3600 * 1000};
constexpr Millis kHelpLimit{45'000};
constexpr int kRefusalsUntilReboot = 5;

// ±20 %, so that a rack that lost power does not ask in step.
Seconds jittered(Seconds delay) { return Seconds(delay.count() * (80 + ::random() % 41) / 100); }

int64_t now_unix() { return unix_seconds(RealClock().wall()); }

// Somebody has a terminal open by ssh: not the moment to reboot.
bool somebody_logged_in() {
    Result<std::vector<std::string>> terminals = list_dir("/dev/pts");
    return terminals && std::any_of(terminals->begin(), terminals->end(),
                                    [](const std::string& name) { return name != "ptmx"; });
}

}  // namespace

std::string_view stage_of(const Kargs& kargs) {
    for (std::string_view stage : {"stage1", "stage2", "stage3"})
        if (!karg(kargs, str_cat("epoxy.", stage)).empty()) return stage;
    return "";
}

Seconds attempt_delay(int failures) {
    if (failures <= 0) return Seconds(0);
    return std::min(Seconds(10LL << std::min(failures - 1, 10)), Seconds(300));
}

Machine::Machine(Loop& loop, std::string version)
    : loop_(loop),
      version_(std::move(version)),
      reaper_(loop),
      watchdog_(loop),
      supervisor_(loop, reaper_, console_, kargs_),
      network_(loop, reaper_, console_, devices_),
      job_(loop, reaper_, console_),
      help_(loop, reaper_, console_),
      rescue_(loop, reaper_, console_) {
    job_.on_failure = [this](std::string_view code) { note_failure(code); };
}

void Machine::run() {
    early_set_up();
    load_drivers(false);
    start_watchdog();
    if (Status up = network_.start_loopback(); !up) console_.step("network", up.error().message());
    load_services();
    if (rescue_only_) enter_rescue("asked for on the kernel's command line");
    while (!stopping()) {
        if (std::exchange(attempt_due_, false)) {
            attempt();
        } else if (std::exchange(repair_due_, false)) {
            repair();
        } else if (Status turned = loop_.turn(std::chrono::hours(1)); !turned) {
            end(Ending::kReboot, turned.error().message());
        }
    }
    job_.abandon();
    help_.abandon();
    network_.stop();
    shut_down({loop_, reaper_, supervisor_, console_, watchdog_}, *ending_, ending_why_);
}

void Machine::end(Ending ending, std::string why) {
    if (stopping()) return;
    ending_ = ending;
    ending_why_ = std::move(why);
}

void Machine::schedule(Seconds delay) {
    loop_.cancel(next_attempt_);
    next_attempt_ = loop_.after(delay, [this] {
        next_attempt_ = 0;
        attempt_due_ = true;
    });
}

// Called at the top of the loop only, because it waits by turning it.
void Machine::attempt() {
    bool network_ready = ready_network();
    if (stopping()) return;
    supervisor_.update(state_);
    // The first two stages need no disk; commands of the third may, and people in rescue do.
    if (!storage_loaded_ && (failures_ > 0 || rescue_only_ || stage_of(kargs_) == "stage3"))
        load_drivers(true);
    if (!network_ready) return failed(last_code_, last_detail_);
    ready_clock();
    if (state_.rescue) report_rescue();
    if (stopping()) return;
    if (rescue_only_) {
        console_.step("rescue", str_cat("waiting for help at ", network_.address(),
                                        "; `reboot` there leaves rescue"));
        return schedule(kReminder);
    }
    run_stage();
}

bool Machine::ready_network() {
    if (network_.is_up()) return true;
    std::string plnode = read_file("/etc/planetbox/plnode.txt", kPlnodeLimit + 1).value_or("");
    Result<NetworkConfig> config = network_config(kargs_, plnode);
    if (!config) {
        console_.failure(kFailConfig, str_cat(config.error().message(), "; trying DHCP"));
        config = NetworkConfig();
        config->source = "DHCP";
    }
    std::optional<BootFailure> failure = network_.bring_up(*config, [this] { return stopping(); });
    if (!failure) return true;
    last_code_ = failure->code;
    last_detail_ = failure->detail;
    return false;
}

// bootclient is in its pause: what can be mended here is mended before it tries again.
void Machine::repair() {
    bool network_ready = ready_network();
    if (stopping()) return;
    if (!network_ready) {
        console_.failure(last_code_, last_detail_);
        return;
    }
    ready_clock();
    if (state_.rescue) report_rescue();
}

void Machine::ready_clock() {
    std::optional<int64_t> built =
        parse_build_time(read_file("/etc/planetbox/build-time", 64).value_or(""));
    if (built) {
        int64_t now = now_unix();
        if (judge_clock(now, *built) != ClockDoubt::kNone) {
            console_.step("clock", str_cat("says ", rfc3339(from_unix_seconds(now)),
                                           ", which cannot be; starting from ",
                                           rfc3339(from_unix_seconds(*built))));
            if (Status set = set_system_clock(*built); !set)
                console_.step("clock", set.error().message());
            clock_in_doubt_ = true;
        }
    }
    if (last_code_ == kFailDates) clock_in_doubt_ = true;
    if (!clock_in_doubt_) return;
    if (!run_help({"bootclient", "--set-clock"})) {
        if (!stopping()) console_.step("clock", "the boot server has not told the time; going on");
        return;
    }
    clock_in_doubt_ = false;
    int64_t now = now_unix();
    console_.step("clock", str_cat(rfc3339(from_unix_seconds(now)), ", from the boot server"));
    Status written = write_rtc(now);
    if (!written && written.error().code() != Code::kNotFound)
        console_.step("clock", written.error().message());
}

// Runs one of our own applets to its end while the loop turns.
bool Machine::run_help(std::vector<std::string> argv) {
    bool ended = false, good = false;
    help_.topic = argv[0] == "bootclient" ? "clock" : "rescue";
    Status started = help_.start(std::move(argv), kHelpLimit, [&](int status) {
        ended = true;
        good = status == 0;
    });
    if (!started) {
        console_.step("start", started.error().message());
        return false;
    }
    while (!ended && !stopping())
        if (!loop_.turn(Millis(500))) break;
    if (!ended) help_.abandon();
    return good;
}

void Machine::report_rescue() {
    if (rescue_reported_) return;
    rescue_reported_ = run_help({"init", "--report-rescue", rescue_why_});
}

void Machine::run_stage() {
    std::string_view stage = stage_of(kargs_);
    if (stage.empty())
        return failed(kFailConfig, "the kernel's command line names no epoxy.stage1, 2 or 3");
    console_.step(stage, failures_ == 0 ? "starting" : strf("attempt %d", failures_ + 1));
    job_.topic = stage;
    // Its own way of giving up, a reboot on the spot, would cut off who is logged in.
    std::vector<std::string> argv = {"bootclient", str_cat("-action=epoxy.", stage),
                                     "-give-up-after=1000h"};
    if (stage == "stage1") argv.push_back("-add-kargs");
    Status started =
        job_.start(std::move(argv), kStageLimit, [this](int status) { stage_ended(status); });
    if (!started) failed(kFailInternal, started.error().message());
}

void Machine::stage_ended(int wait_status) {
    if (stopping()) return;
    std::string_view stage = stage_of(kargs_);
    if (wait_status != 0) {
        return failed(job_.code().empty() ? kFailInternal : std::string_view(job_.code()),
                      str_cat(describe_wait_status(wait_status), ": ", job_.last_line()));
    }
    if (stage == "stage3") return succeeded();
    if (kexec_image_loaded().value_or(false))
        return end(Ending::kKexec, str_cat(stage, " is done"));
    failed(kFailKexec, str_cat(stage, " ended without a new kernel"));
}

void Machine::succeeded() {
    console_.step("online", str_cat("stage3 is done; this node is ", network_.address()));
    failures_ = 0;
    state_.online = true;
    supervisor_.update(state_);
}

// A try of bootclient went wrong; it has said so itself, and comes back by itself.
void Machine::note_failure(std::string_view code) {
    ++failures_;
    last_code_ = code;
    last_detail_.clear();
    refusals_ = code == kFailForbidden ? refusals_ + 1 : 0;
    if (refusals_ >= kRefusalsUntilReboot && stage_of(kargs_) != "stage1")
        give_up("the boot server refuses this stage; starting over at the first");
    if (failures_ >= kFailuresUntilRescue && !state_.rescue)
        enter_rescue(
            strf("%d attempts failed, the last one with %s", failures_, last_code_.c_str()));
    repair_due_ = true;
}

// What failed is over: before bootclient could run, or with it.
void Machine::failed(std::string_view code, std::string_view detail) {
    std::string own_code(code), own_detail(detail);  // they may be the members set here
    console_.failure(own_code, own_detail);
    note_failure(own_code);
    repair_due_ = false;
    if (uptime_seconds() > kGiveUpSeconds) give_up("six hours without success");
    if (stopping()) return;
    last_detail_ = own_detail;
    Seconds delay = jittered(attempt_delay(failures_));
    console_.step("retry", str_cat("in ", human_duration(delay)));
    schedule(delay);
}

void Machine::give_up(std::string why) {
    if (rescue_only_ || rescue_.shell_running() || somebody_logged_in()) return;
    end(Ending::kReboot, std::move(why));
}

void Machine::enter_rescue(std::string_view why) {
    state_.rescue = true;
    rescue_why_ = why;
    console_.step("rescue", why);
    std::string about;
    Service sshd = Rescue::prepare_sshd(about);
    console_.step(
        "rescue",
        str_cat(sshd.argv.empty() ? "no ssh: " : "ssh as root with the rescue key: ", about));
    if (!sshd.argv.empty()) supervisor_.add(std::move(sshd));
    supervisor_.update(state_);
    rescue_.offer_shell();
}

}  // namespace planetbox
