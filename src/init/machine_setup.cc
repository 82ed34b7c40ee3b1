// The machine's first second: mounts, console, signals, watchdog, drivers, the list of services.
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/strings.h"
#include "init/machine.h"
#include "sys/files.h"
#include "sys/mounts.h"

namespace planetbox {

namespace {

constexpr int kWatchdogSeconds = 60;

struct MountPoint {
    const char* type;
    const char* target;
    unsigned long flags;
    const char* data;
    bool optional;  // a kernel or a machine may lack it
};

constexpr unsigned long kSafe = MS_NOSUID | MS_NODEV | MS_NOEXEC;

constexpr MountPoint kMounts[] = {
    {"proc", "/proc", kSafe, "", false},
    {"sysfs", "/sys", kSafe, "", false},
    {"devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755", false},
    {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666", false},
    {"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777", false},
    {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755", false},
    {"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777", false},
    {"cgroup2", "/sys/fs/cgroup", kSafe, "nsdelegate", true},
};

}  // namespace

void Machine::mount_all() {
    for (const MountPoint& point : kMounts) {
        Status done = mount_fs(point.type, point.target, point.flags, point.data);
        if (!done && !point.optional) console_.step("mount", done.error().message());
    }
}

void Machine::early_set_up() {
    ::umask(022);
    if (::chdir("/") < 0) console_.step("start", "chdir /: cannot");
    ::setenv("PATH", "/sbin:/bin:/usr/sbin:/usr/bin", 1);
    ::setenv("HOME", "/root", 1);
    ::setenv("TERM", "linux", 0);
    mount_all();
    console_.open();
    if (Result<Kargs> kargs = read_kargs())
        kargs_ = std::move(*kargs);
    else
        console_.step("start", kargs.error().message());
    rescue_only_ = kargs_.contains("planetbox.rescue");
    utsname kernel{};
    ::uname(&kernel);
    std::string_view stage = stage_of(kargs_);
    console_.step("start", str_cat("planetbox ", version_, ", Linux ", kernel.release, ", ",
                                   rescue_only_    ? "rescue"
                                   : stage.empty() ? "no stage"
                                                   : stage));
    // A kernel that has died shall not wait for a visitor; an operator's own choice stands.
    Result<std::string> panic = read_file("/proc/sys/kernel/panic", 32);
    if (panic && trim(*panic) == "0") (void)write_existing("/proc/sys/kernel/panic", "30");
    constexpr std::string_view kNameless = "planetbox";
    if (::sethostname(kNameless.data(), kNameless.size()) < 0)
        console_.step("start", sys_error("host name").message());
    take_signals();
    devices_ = Devices::open(str_cat("/lib/modules/", kernel.release));
}

void Machine::take_signals() {
    ::reboot(RB_DISABLE_CAD);  // Ctrl-Alt-Del becomes SIGINT
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    Status started = reaper_.start();
    auto on = [&](int number, Ending ending, std::string_view why) {
        if (started)
            started =
                loop_.on_signal(number, [this, ending, why] { end(ending, std::string(why)); });
    };
    // What busybox's reboot, halt and poweroff send, and systemd's systemctl.
    on(SIGTERM, Ending::kReboot, "asked by SIGTERM");
    on(SIGINT, Ending::kReboot, "Ctrl-Alt-Del");
    on(SIGUSR1, Ending::kPowerOff, "asked by SIGUSR1");
    on(SIGUSR2, Ending::kPowerOff, "asked by SIGUSR2");
    on(SIGPWR, Ending::kPowerOff, "power failure");
    on(SIGRTMIN + 4, Ending::kPowerOff, "asked by a program");
    on(SIGRTMIN + 5, Ending::kReboot, "asked by a program");
    on(SIGRTMIN + 6, Ending::kKexec, "asked by a program");
    if (!started) console_.step("start", started.error().message());
}

void Machine::start_watchdog() {
    std::string_view wanted = karg(kargs_, "planetbox.watchdog");
    if (wanted == "off") return;
    auto seconds = static_cast<int>(parse_uint(wanted).value_or(kWatchdogSeconds));
    Result<int> timeout =
        watchdog_.start(seconds < 10 || seconds > 3600 ? kWatchdogSeconds : seconds);
    if (timeout)
        console_.step("watchdog", strf("resets the machine after %d s without life", *timeout));
    else if (timeout.error().code() != Code::kNotFound)
        console_.step("watchdog", timeout.error().message());
}

void Machine::load_drivers(bool with_storage) {
    size_t before = devices_.loaded().size(), errors_before = devices_.errors().size();
    devices_.scan(with_storage);
    storage_loaded_ = with_storage;
    // Firmware of other kinds has none.
    (void)mount_fs("efivarfs", "/sys/firmware/efi/efivars", kSafe);
    const std::vector<std::string>& all = devices_.loaded();
    if (all.size() > before)
        console_.step("drivers", join({all.begin() + static_cast<long>(before), all.end()}, " "));
    for (size_t i = errors_before; i < devices_.errors().size(); ++i)
        console_.step("drivers", devices_.errors()[i]);
}

void Machine::load_services() {
    ServiceList list =
        parse_services(read_file("/etc/planetbox/services", kServicesLimit + 1).value_or(""));
    for (const std::string& error : list.errors) console_.step("services", error);
    for (Service& service : list.services) supervisor_.add(std::move(service));
}

}  // namespace planetbox
