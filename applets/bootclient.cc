// One boot stage on a node: fetch its action, carry it out, report, and try again.
#include <stdio.h>
#include <unistd.h>

#include "applet.h"
#include "base/strings.h"
#include "kexec.h"
#include "options.h"
#include "stage/client.h"
#include "stage/redact.h"
#include "stage/rough_clock.h"
#include "sys/files.h"
#include "sys/restart.h"
#include "version.h"
#include "wire/plnode.h"

namespace planetbox {

namespace {

struct BootclientOptions {
    ClientOptions client;
    RetryOptions retry;
    std::string cmdline = "/proc/cmdline";
    std::string ca = "/etc/planetbox/ca.pem";
    std::string plnode = "/etc/planetbox/plnode.txt";
    bool every_second = false;
    bool reboot_on_failure = false;
    bool set_clock = false;
};

constexpr const char* kAbout =
    "Fetches the action of a boot stage, carries it out, and reports how it went.\n"
    "\n"
    "Takes the place of epoxy_client: the same options, kernel arguments, action files and "
    "reports.\n"
    "A kernel argument (-action) holds the URL that is asked; the action that comes back names\n"
    "files, environment and commands. Files need a SHA-256, downloads resume, a kexec command\n"
    "needs no kexec program. After a failure it tries again, for six hours.\n"
    "\n"
    "Exit codes: 0 when the action was carried out, 1 when it was not, 2 for a wrong command "
    "line.\n"
    "As a child of process 1 it restarts the machine instead of giving up, like epoxy_client.\n"
    "\n"
    "    bootclient -action epoxy.stage1 -add-kargs\n"
    "    bootclient -action=epoxy.stage3 -retry=false\n"
    "    bootclient --set-clock       only sets the clock, by the boot server's\n";

void declare(Options& opt, BootclientOptions& to) {
    opt.value("--cmdline", &to.cmdline, "read the kernel arguments from this file").type("FILE");
    opt.value("--action", &to.client.action, "kernel argument that holds the action's URL")
        .type("NAME");
    opt.flag("--add-kargs", &to.client.add_kargs,
             "add the kernel arguments of the first answer; none is ever replaced");
    opt.value("--report", &to.client.report, "kernel argument that holds the report's URL")
        .type("NAME");
    opt.flag("--dryrun", &to.client.dryrun,
             "fetch actions, which may change state on the server, but download, run and report "
             "nothing");
    opt.flag("--retry", &to.retry.retry, "try again after a failure");
    opt.value("--retry-interval", &to.retry.interval, "time between tries, a quarter more or less");
    opt.value("--give-up-after", &to.retry.give_up, "no new try after this time");
    opt.value("--ca", &to.ca, "certificates that servers must be signed by (PEM)").type("FILE");
    opt.value("--plnode", &to.plnode,
              "the node's own file: its key goes with the request of epoxy.stage1")
        .type("FILE");
    opt.flag("--allow-unhashed", &to.client.allow_unhashed,
             "accept files that the action gives no SHA-256 for");
    opt.flag("--allow-http", &to.client.allow_http,
             "accept plain http, which anybody on the way can change");
    opt.value("--max-chain", &to.client.max_chain, "longest chain of actions").range(0, 1000);
    opt.value("--command-timeout", &to.client.command_timeout,
              "a command that runs longer is killed, with what it started");
    opt.value("--download-timeout", &to.client.download.total, "limit for one file");
    opt.value("--request-timeout", &to.client.request_timeout, "limit for an action or a report");
    opt.flag("--progress", &to.every_second,
             "show a download's progress every second, not every 5");
    opt.flag("--reboot-on-failure", &to.reboot_on_failure,
             "restart the machine through sysrq when it has failed for good");
    opt.flag("--set-clock", &to.set_clock,
             "only set the clock: by the boot server, or at least to when this system was made");
}

void say(const std::string& line) { fprintf(stderr, "bootclient: %s\n", line.c_str()); }

void read_node_key(BootclientOptions& options) {
    if (options.plnode.empty() || !file_exists(options.plnode)) return;
    Result<std::string> text = read_file(options.plnode, kPlnodeLimit);
    if (!text) return say(text.error().message());
    Result<Plnode> node = parse_plnode(*text);
    if (!node) return say(node.error().message());
    options.client.node_key = node->node_key;
}

// Without certificates https fails with a message of its own; actions from files still work.
void read_ca(BootclientOptions& options) {
    Result<std::string> pem = read_file(options.ca, 4 << 20);
    if (pem)
        options.client.ca_pem = std::move(*pem);
    else
        say("no certificates to trust: " + pem.error().message());
}

int set_the_clock(const BootclientOptions& options, const Kargs& kargs, Waiter& waiter) {
    constexpr Millis kLimit{30'000};
    ClockFacts facts{.now = unix_seconds(waiter.clock().wall()),
                     .built = lower_clock_bound(build_epoch())};
    int code = kExitOk;
    Result<std::string> url = clock_url(kargs, options.client.action);
    Result<int64_t> time =
        url ? ask_server_time(waiter, options.client.ca_pem, *url, kLimit) : fail(url.error());
    if (time) {
        facts.server = *time;
        facts.now = unix_seconds(waiter.clock().wall());
    } else {
        say("the boot server's time: " + redact(time.error().message()));
        code = kExitFailure;
    }
    ClockDecision decision = decide_clock(facts);
    say(decision.why);
    if (!decision.set_to) return code;
    if (Status set = set_clock(*decision.set_to); !set) {
        say(set.error().message());
        return kExitFailure;
    }
    return code;
}

int give_up(const BootclientOptions& options, bool child_of_init, const Waiter& waiter) {
    const bool tried_for_long = options.retry.retry && child_of_init;
    if (waiter.stopped() || options.client.dryrun) return kExitFailure;
    if (!options.reboot_on_failure && !tried_for_long) return kExitFailure;
    say("Giving up; restarting the machine.");
    if (Status done = sysrq_restart(); !done) say(done.error().message());
    if (Status done = leave_kernel(Leave::kRestart); !done) say(done.error().message());
    return kExitFailure;
}

int run(BootclientOptions& options, bool child_of_init) {
    Result<Kargs> kargs = read_kargs(options.cmdline);
    if (!kargs) {
        say(kargs.error().message());
        return kExitFailure;
    }
    RealClock clock;
    Result<std::unique_ptr<Waiter>> waiter = Waiter::create(clock);
    if (!waiter) {
        say(waiter.error().message());
        return kExitFailure;
    }
    read_ca(options);
    if (options.set_clock) return set_the_clock(options, *kargs, **waiter);
    read_node_key(options);
    if (options.every_second) options.client.progress_interval = Millis(1'000);
    std::optional<Failure> failure;
    {
        BootClient client(options.client, std::move(*kargs), **waiter, {say, run_kexec});
        failure = run_with_retries(client, options.retry, **waiter, say);
    }
    return failure ? give_up(options, child_of_init, **waiter) : kExitOk;
}

}  // namespace

}  // namespace planetbox

using namespace planetbox;

int bootclient_main(int argc, char** argv) {
    const bool child_of_init = ::getppid() == 1;
    BootclientOptions options;
    Options opt("bootclient", kAbout);
    opt.go_style(/*environment=*/false);
    declare(opt, options);
    if (std::optional<int> code = opt.parse(argc, argv)) return *code;
    return run(options, child_of_init);
}
