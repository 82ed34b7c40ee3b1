// init: PID 1 of the RAM image. All of it is in src/init/; here is only the door.
#include <stdio.h>
#include <unistd.h>

#include "applet.h"
#include "base/clock.h"
#include "event/loop.h"
#include "init/console.h"
#include "init/machine.h"
#include "init/rescue_report.h"
#include "options.h"
#include "sys/files.h"
#include "version.h"

using namespace planetbox;

static int report_rescue(const std::string& why) {
    Result<Kargs> kargs = read_kargs();
    Result<std::string> ca = read_file("/etc/planetbox/ca.pem", 1 << 20);
    Status sent = kargs ? send_rescue_report(*kargs, ca.value_or(""), why)
                        : Status(std::unexpected(kargs.error()));
    if (sent) return kExitOk;
    printf("planetbox: [%6.2f] rescue: the boot server is not told: %s\n", uptime_seconds(),
           sent.error().message().c_str());
    return kExitFailure;
}

int init_main(int argc, char** argv) {
    if (::getpid() == 1) {
        // The kernel passes what it does not understand of its command line as arguments; none of
        // it is ours.
        RealClock clock;
        Result<std::unique_ptr<Loop>> loop = Loop::create(clock);
        CHECK(loop);
        Machine machine(**loop, version_text());
        machine.run();
    }
    Options opt(
        "init",
        "PID 1 of the RAM image: mounts, drivers, network, clock, services, boot stage, rescue.\n"
        "\n"
        "Started by the kernel only. It reads the kernel's command line:\n"
        "\n"
        "    epoxy.stage1= epoxy.stage2= epoxy.stage3=   the stage to run, by bootclient(8)\n"
        "    epoxy.ipv4=addr/len,gateway,dns1,dns2       static network; DHCP without\n"
        "    epoxy.ipv6=  epoxy.ip=  ip=                 likewise\n"
        "    epoxy.interface=eth0  epoxy.hostname=name\n"
        "    planetbox.rescue                            do not boot; sshd and a shell\n"
        "    planetbox.watchdog=SECONDS|off              hardware watchdog (60)\n"
        "\n"
        "/etc/planetbox/services lists further services; /etc/planetbox/rescue_keys the ssh keys\n"
        "for rescue. It obeys SIGTERM and SIGINT (reboot), SIGUSR1, SIGUSR2 and SIGPWR (power "
        "off),\n"
        "SIGRTMIN+6 (start the kernel that kexec has loaded).\n");
    std::string why;
    opt.value("--report-rescue", &why, "what process 1 runs to tell the boot server of its rescue")
        .hidden();
    if (std::optional<int> code = opt.parse(argc, argv)) return *code;
    if (!why.empty()) return report_rescue(why);
    fprintf(stderr, "planetbox init: runs only as process 1 of a RAM image\n");
    return kExitFailure;
}
