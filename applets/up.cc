// up: makes the state of a central server on its first run, then runs the central daemons.
// Options and wiring; the work is in src/central and src/plc.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "applet.h"
#include "base/log.h"
#include "base/strings.h"
#include "central/config.h"
#include "central/daemon_supervisor.h"
#include "central/settings_store.h"
#include "central/state_dir.h"
#include "central/trust.h"
#include "event/loop.h"
#include "event/watchdog.h"
#include "net/address.h"
#include "options.h"
#include "plc/first_run.h"
#include "plc/registry_store.h"
#include "state.h"
#include "sys/files.h"
#include "sys/notify.h"
#include "version.h"

namespace planetbox {
namespace {

constexpr std::string_view kComponent = "up";
constexpr std::chrono::hours kTrustCheckEvery(1);

struct CommandLine {
    std::string state = kDefaultStateDir;
    std::string config_file;  // empty: STATE/planetbox.conf, if it is there
    bool renew = false;
    std::vector<std::pair<std::string, std::string>> settings;  // key, value
};

constexpr std::string_view kAbout =
    "Makes and runs a central server: state, certificates, first administrator, daemons.\n"
    "\n"
    "On an empty --state directory it creates the registry, the root CA and the server "
    "certificates, the "
    "signing key and the first administrator, whose password is shown once unless it was given. On "
    "a "
    "state that exists it takes what is there. Then it runs the central daemons (today: bootd), "
    "starts "
    "again what dies, and stops all of them within five seconds of SIGTERM. Certificates are "
    "renewed "
    "when a third of their life is left; SIGHUP looks at once and passes the signal on.\n"
    "\n"
    "Every option but --state, --config and --renew may also stand in STATE/planetbox.conf (or the "
    "file "
    "that --config names), one 'key = value' a line, the key being the option's name without "
    "dashes. The "
    "command line wins over the file, and the file over what an earlier run was told. Options of "
    "bootd "
    "that 'up' does not have may stand in STATE/bootd.conf.\n"
    "\n"
    "    planetbox up --state /srv/planetbox --name boot.example.org,192.0.2.7\n"
    "    planetbox up --state /srv/planetbox --renew\n";

void declare(Options& options, CommandLine* line) {
    options.value("--state", &line->state, "Directory of the state.").type("DIR");
    for (const SettingKey& key : setting_keys()) {
        std::string name(key.name);
        Option option = options.value(
            "--" + name,
            [line, name](const std::string& value) -> Status {
                line->settings.emplace_back(name, value);
                return {};
            },
            key.help);
        option.type(key.type);
        if (!key.default_value.empty()) option.default_text(key.default_value);
    }
    options.value("--config", &line->config_file, "Configuration file.")
        .type("FILE")
        .default_text("STATE/planetbox.conf");
    options.flag("--renew", &line->renew,
                 "Issue both server certificates anew and end; tells an 'up' that runs.");
}

// Command line, file, then what is stored in `db` (none: null), then the defaults.
Result<Settings> gather_settings(const CommandLine& line, const StateDir& state, Database* db) {
    Settings settings;
    for (const auto& [key, value] : line.settings) TRY(settings.add(key, value, "--" + key, true));
    const std::string path = line.config_file.empty() ? state.config() : line.config_file;
    Result<std::string> text = read_file(path, kConfigFileLimit);
    if (text)
        TRY(settings.add_file(*text, path));
    else if (text.error().code() != Code::kNotFound || !line.config_file.empty())
        return fail(std::move(text.error()).context("configuration file"));
    if (db) TRY(SettingsStore(*db).load(settings));
    settings.add_defaults();
    return settings;
}

std::vector<std::string> own_names() {
    utsname info{};
    if (::uname(&info) == 0)
        if (Result<std::string> name = check_server_name(info.nodename)) return {*name};
    return {"localhost"};
}

// Certificates made under a clock that is years behind would be dead as soon as it is set right.
Status check_clock(const Clock& clock) {
    if (unix_seconds(clock.wall()) + 86400 >= build_epoch()) return {};
    return fail(Code::kInvalid,
                str_cat("this machine's clock says ", rfc3339(clock.wall()),
                        ", which is before this planetbox was built; set the clock"));
}

void show_progress(std::string_view what) {
    fprintf(stderr, "planetbox up: %.*s ...\n", int(what.size()), what.data());
}

// Standard output goes to systemd's journal: it says so by device and inode.
bool stdout_is_journal() {
    const char* stream = getenv("JOURNAL_STREAM");
    struct stat info{};
    if (!stream || ::fstat(1, &info) < 0) return false;
    return strf("%ju:%ju", uintmax_t(info.st_dev), uintmax_t(info.st_ino)) == stream;
}

// A password must not stay in the journal; there it goes to a file.
Status show_password(const StateDir& state, const FirstRunOutcome& made) {
    if (made.new_admin.empty()) return {};
    if (made.generated_password.empty()) {
        printf("Administrator %s: made, with the password of the file given.\n",
               made.new_admin.c_str());
        return {};
    }
    if (stdout_is_journal()) {
        ActAsOwner acting = TRY(ActAsOwner::of(state));
        TRY(write_file_atomic(state.initial_password(), made.generated_password + "\n", 0600));
        printf("Administrator %s: made; the password is in %s (remove that file).\n",
               made.new_admin.c_str(), state.initial_password().c_str());
        return {};
    }
    printf("Administrator %s\nPassword      %s   (shown once; keep it)\n", made.new_admin.c_str(),
           made.generated_password.c_str());
    fflush(stdout);
    return {};
}

void log_trust(const TrustSummary& summary) {
    for (const std::string& what : summary.issued)
        log_info(kComponent, "issued a server certificate", {{"what", what}});
    for (const std::string& what : summary.warnings) log_warning(kComponent, what);
}

struct Prepared {
    UpConfig config;
    TrustSummary trust;
    bool names_guessed = false;
};

// Everything that is not there yet, in an order in which an interruption at any place leaves
// something that the next run completes.
Result<Prepared> prepare(const CommandLine& line, const StateDir& state, const Clock& clock) {
    Prepared prepared;
    std::unique_ptr<Database> db = TRY(open_state(state.path(), StateAccess::kCreate));
    Settings settings = TRY(gather_settings(line, state, db.get()));
    prepared.config = TRY(resolve_settings(settings));
    const UpConfig& config = prepared.config;

    std::vector<std::string> names = config.names;
    if (names.empty() && present_server_names(state).empty()) {
        names = own_names();
        prepared.names_guessed = true;
    }
    Trust trust(state, clock, show_progress);
    prepared.trust = TRY(trust.ensure(names, line.renew));
    if (!prepared.trust.created) log_trust(prepared.trust);

    FirstRunRequest request{config.admin, config.admin_password_file, config.site};
    FirstRunOutcome made = TRY(ensure_first_run(*db, clock, request));
    TRY(show_password(state, made));
    if (!made.new_site.empty()) printf("Site %s: made.\n", made.new_site.c_str());
    fflush(stdout);
    for (const std::string& note : made.notes) log_warning(kComponent, note);
    TRY_CONTEXT(SettingsStore(*db).save(settings), "store the settings");
    return prepared;
}

void print_summary(const StateDir& state, const Prepared& prepared) {
    const UpConfig& config = prepared.config;
    const TrustSummary& trust = prepared.trust;
    std::string url = base_url(trust.names.front(), config.boot_port);
    printf("\nplanetbox is up.\n");
    printf("  boot server   %s\n", url.c_str());
    printf(
        "  names         %s%s\n", join(trust.names, ", ").c_str(),
        prepared.names_guessed ? "   (guessed; --name HOST,IP... says what machines call it)" : "");
    if (!config.metrics_listen.empty())
        printf("  metrics       http://%s/metrics\n", config.metrics_listen.c_str());
    printf("  state         %s\n", state.path().c_str());
    printf("  root CA       %s\n", state.ca_cert().c_str());
    printf("                SHA-256 %s\n", colon_fingerprint(trust.root.sha256_hex).c_str());
    printf("  certificates  until %s, renewed by themselves\n",
           rfc3339(trust.servers_end).substr(0, 10).c_str());
    printf("Next:\n");
    printf("  curl --cacert %s %s/_ah/health\n", state.ca_cert().c_str(), url.c_str());
    printf("  planetbox bootadm --help     hosts and images\n");
    printf("  planetbox media --help       a medium for a machine\n\n");
    fflush(stdout);
}

std::string listen_endpoint(const std::string& address, uint16_t port) {
    return Endpoint{IpAddress::parse(address).value_or(IpAddress()), port}.text();
}

DaemonSpec bootd_spec(const StateDir& state, const Prepared& prepared) {
    const UpConfig& config = prepared.config;
    DaemonSpec spec{"bootd", {"bootd", "--state", state.path()}};
    spec.argv.insert(spec.argv.end(),
                     {"--listen", listen_endpoint(config.listen, config.boot_port)});
    spec.argv.insert(spec.argv.end(),
                     {"--url", base_url(prepared.trust.names.front(), config.boot_port)});
    spec.argv.insert(spec.argv.end(), {"--metrics-listen", config.metrics_listen});
    if (file_exists(state.bootd_config()))
        spec.argv.insert(spec.argv.end(), {"--config", state.bootd_config()});
    return spec;
}

// The part of `up` that stays: supervisor, signals, the hourly look at the certificates.
class Service {
public:
    Service(const CommandLine& line, const StateDir& state, const Clock& clock, Loop& loop,
            DaemonSupervisor& supervisor)
        : line_(line), state_(state), clock_(clock), loop_(loop), supervisor_(supervisor) {}

    // Returns the exit code.
    Result<int> run(const Prepared& prepared) {
        supervisor_.add(bootd_spec(state_, prepared));
        supervisor_.on_all_ready = [this, &prepared] {
            print_summary(state_, prepared);
            notify_manager("READY=1\nSTATUS=All daemons are ready");
        };
        supervisor_.on_start_failed = [this](const std::string& daemon) {
            log_error(kComponent, "a daemon does not start, giving up; its own messages say why",
                      {{"daemon", daemon}});
            stop(kExitFailure);
        };
        for (int number : {SIGTERM, SIGINT})
            TRY(loop_.on_signal(number, [this] { stop(kExitOk); }));
        TRY(loop_.on_signal(SIGHUP, [this] { look_at_trust(true); }));
        schedule_trust_check();
        keep_watchdog_fed(loop_);
        supervisor_.start();
        TRY(loop_.run());
        return exit_code_;
    }

private:
    void stop(int exit_code) {
        exit_code_ = exit_code;
        notify_stopping();
        supervisor_.stop([this] { loop_.stop(); });
    }

    void schedule_trust_check() {
        loop_.after(kTrustCheckEvery, [this] {
            look_at_trust(false);
            schedule_trust_check();
        });
    }

    // Also stored, for bootadm and media, which make URLs of them.
    Result<std::vector<std::string>> names_now() {
        std::unique_ptr<Database> db = TRY(open_state(state_.path()));
        Settings settings = TRY(gather_settings(line_, state_, db.get()));
        UpConfig config = TRY(resolve_settings(settings));
        TRY(SettingsStore(*db).save(settings));
        return config.names;
    }

    // A failure here must not stop a server that works: it is logged, and tried again in an hour.
    void look_at_trust(bool pass_on_signal) {
        auto look = [this]() -> Result<TrustSummary> {
            std::vector<std::string> names = TRY(names_now());
            return Trust(state_, clock_, [](std::string_view) {}).ensure(names);
        };
        Result<TrustSummary> summary = look();
        if (!summary)
            log_error(kComponent, "cannot check the certificates",
                      {{"error", summary.error().message()}});
        else
            log_trust(*summary);
        if (pass_on_signal || (summary && !summary->issued.empty())) supervisor_.reload();
    }

    const CommandLine& line_;
    const StateDir& state_;
    const Clock& clock_;
    Loop& loop_;
    DaemonSupervisor& supervisor_;
    int exit_code_ = kExitOk;
};

void print_renewed(const TrustSummary& summary) {
    for (const std::string& what : summary.issued) printf("issued %s\n", what.c_str());
    printf("server certificates for %s are valid until %s\n", join(summary.names, ", ").c_str(),
           rfc3339(summary.servers_end).substr(0, 10).c_str());
}

// `up --renew` beside an `up` that runs: issues, then lets it tell its daemons.
Result<int> renew_beside(const CommandLine& line, const StateDir& state, const Clock& clock,
                         pid_t running) {
    if (!line.settings.empty())
        return fail(Code::kConflict,
                    strf("planetbox up (pid %d) runs on this state; stop it first to change "
                         "--%s, or give --renew alone",
                         running, line.settings.front().first.c_str()));
    TrustSummary summary = TRY(Trust(state, clock, show_progress).ensure({}, true));
    print_renewed(summary);
    if (running <= 0 || ::kill(running, SIGHUP) < 0)
        return fail(
            Code::kDenied,
            "the certificates are new, but the running 'up' could not be told; send it SIGHUP");
    printf("told planetbox up (pid %d) to use them\n", running);
    return kExitOk;
}

// Mistakes that can be seen before anything is made are seen then.
Status check_request(const StateDir& state, const UpConfig& config) {
    if (!config.site.empty()) TRY_CONTEXT(check_login_base(config.site), "--site");
    // Later runs have no use for the file, and it may be gone.
    if (has_state(state) || config.admin_password_file.empty()) return {};
    std::vector<std::string> warnings;
    TRY_CONTEXT(read_password_file(config.admin_password_file, &warnings), "password file");
    return {};
}

Result<int> run(const CommandLine& line) {
    RealClock clock;
    StateDir state(line.state);
    // A mistake in the options must be found before anything is made.
    Settings first = TRY(gather_settings(line, state, nullptr));
    TRY(check_request(state, TRY(resolve_settings(first))));
    TRY(check_clock(clock));
    if (line.renew) {
        if (!has_state(state))
            return fail(Code::kNotFound, state.path() + ": there is no CA here to renew from");
        pid_t running = TRY(state_lock_holder(state));
        if (running != 0) return renew_beside(line, state, clock, running);
    }
    std::vector<std::string> repaired;
    TRY(prepare_state_dir(state, &repaired));
    StateLock lock = TRY(StateLock::take(state));
    for (const std::string& what : repaired) log_warning(kComponent, what);
    Prepared prepared = TRY(prepare(line, state, clock));
    if (line.renew) {
        print_renewed(prepared.trust);
        return kExitOk;
    }
    std::unique_ptr<Loop> loop = TRY(Loop::create(clock));
    std::unique_ptr<DaemonSupervisor> supervisor = TRY(DaemonSupervisor::create(*loop));
    return Service(line, state, clock, *loop, *supervisor).run(prepared);
}

}  // namespace

}  // namespace planetbox

int up_main(int argc, char** argv) {
    using namespace planetbox;
    CommandLine line;
    Options options("up", kAbout);
    declare(options, &line);
    if (std::optional<int> code = options.parse(argc, argv)) return *code;
    Result<int> code = run(line);
    if (code) return *code;
    fprintf(stderr, "planetbox up: %s\n", code.error().message().c_str());
    return kExitFailure;
}
