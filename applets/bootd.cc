// bootd: options and wiring. What it does is in src/boot/boot_server.h and boot_service.h.
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>

#include "applet.h"
#include "base/log.h"
#include "base/strings.h"
#include "boot/boot_server.h"
#include "central/state_dir.h"
#include "event/watchdog.h"
#include "options.h"
#include "state.h"
#include "sys/files.h"
#include "sys/notify.h"
#include "version.h"

namespace planetbox {
namespace {

constexpr size_t kMaxCaBundle = 4 << 20;
constexpr Millis kDrain{4500};  // SIGTERM to the end: under five seconds

struct BootdOptions {
    std::string state = kDefaultStateDir;
    std::string listen = "[::]";
    int port = 0;
    std::string url;
    std::vector<std::string> public_names;
    int plain_port = 0;
    std::string metrics_listen = "127.0.0.1:9000";
    std::string storage_prefix_url;
    std::string storage_ca = "/etc/ssl/certs/ca-certificates.crt";
    int64_t storage_cache_mib = 20 * 1024;
    Millis session_lifetime{7 * 3600 * 1000};
    bool access_log = true;
    bool legacy_tls = false;
};

void declare(Options& opt, BootdOptions* o) {
    opt.config_file();
    opt.value("--state", &o->state, "directory of the state").type("DIR");
    opt.value("--listen", &o->listen, "address to listen on, with or without a port").type("ADDR");
    opt.value("--port,-p", &o->port, "TCP port of HTTPS; 0 with a port in --listen, else 443")
        .range(0, 65535);
    opt.value("--url", &o->url, "how nodes reach this server; its name comes first in URLs")
        .type("URL");
    opt.list("--public-hostname", &o->public_names,
             "names (NAME or NAME:PORT) that nodes call this server by; the certificates' names "
             "are known")
        .delimiter(',')
        .type("NAME");
    opt.value("--plain-port", &o->plain_port,
              "also serve image files over plain HTTP, for old boot ROMs; 0: do not")
        .range(0, 65535);
    opt.value("--metrics-listen", &o->metrics_listen,
              "address of /metrics over plain HTTP; empty: none")
        .type("ADDR:PORT");
    opt.value("--storage-prefix-url", &o->storage_prefix_url,
              "upstream for /v1/storage/ paths that are no image of ours; kept on disk")
        .type("URL")
        .env("STORAGE_PREFIX_URL");
    opt.value("--storage-ca", &o->storage_ca, "CAs that may vouch for https upstreams")
        .type("FILE");
    opt.value("--storage-cache-mib", &o->storage_cache_mib, "most that is kept of the upstream")
        .range(1, 1 << 24);
    opt.value("--session-lifetime", &o->session_lifetime,
              "how long the ids of a boot live after each step");
    opt.flag("--access-log", &o->access_log, "a line on standard error for each request");
    opt.flag("--legacy-tls", &o->legacy_tls,
             "also offer RSA key exchange with AES-CBC, for boot ROMs from before 2020");
}

Result<Endpoint> listen_endpoint(const BootdOptions& o) {
    const std::optional<IpAddress> bare =
        IpAddress::parse(o.listen.starts_with("[") && o.listen.ends_with("]")
                             ? o.listen.substr(1, o.listen.size() - 2)
                             : o.listen);
    if (bare) return Endpoint{*bare, uint16_t(o.port ? o.port : 443)};
    Endpoint endpoint = TRY_CONTEXT(parse_endpoint(o.listen), "--listen");
    if (o.port) endpoint.port = uint16_t(o.port);
    return endpoint;
}

// "https://name:4430" → "name:4430"; an https URL without a port means 443, so it says so.
Result<std::string> name_of_url(const std::string& text) {
    const Url url = TRY_CONTEXT(parse_url(text), "--url");
    const bool v6 = url.host.find(':') != url.host.npos;
    const std::string host = v6 ? "[" + url.host + "]" : url.host;
    return url.port == 443 ? host : strf("%s:%u", host.c_str(), url.port);
}

Result<BootServerConfig> make_config(const BootdOptions& o, const StateDir& state) {
    BootServerConfig config;
    config.build_version = version_text();
    config.listen = TRY(listen_endpoint(o));
    if (o.plain_port) config.plain_listen = Endpoint{config.listen.address, uint16_t(o.plain_port)};
    if (!o.metrics_listen.empty())
        config.metrics_listen = TRY_CONTEXT(parse_endpoint(o.metrics_listen), "--metrics-listen");
    for (const char* kind : {"rsa", "ecdsa"}) {
        if (!file_exists(state.server_cert(kind)) || !file_exists(state.server_key(kind)))
            return fail(Code::kNotFound, str_cat(state.server_cert(kind),
                                                 ": there is no server certificate yet; "
                                                 "run 'planetbox up --state ",
                                                 state.path(), "' first"));
        config.cert_files.emplace_back(state.server_cert(kind), state.server_key(kind));
    }
    if (!o.url.empty()) config.public_names.push_back(TRY(name_of_url(o.url)));
    config.public_names.insert(config.public_names.end(), o.public_names.begin(),
                               o.public_names.end());
    config.legacy_tls = o.legacy_tls;
    config.images_directory = state.images();
    config.access_log = o.access_log;
    config.limits.lifetime = std::max<int64_t>(o.session_lifetime.count() / 1000, 1);
    config.limits.max_lifetime = std::max(config.limits.max_lifetime, config.limits.lifetime);
    std::string bundle = read_file(o.storage_ca, kMaxCaBundle).value_or("");
    config.extension_ca_pem = bundle + "\n" + read_file(state.ca_cert(), kMaxCaBundle).value_or("");
    if (o.storage_prefix_url.empty()) return config;
    TRY_CONTEXT(parse_url(o.storage_prefix_url), "--storage-prefix-url");
    StorageProxyConfig proxy;
    proxy.prefix_url = o.storage_prefix_url;
    while (proxy.prefix_url.ends_with('/')) proxy.prefix_url.pop_back();
    proxy.directory = state.cache();
    proxy.ca_pem = std::move(bundle);
    proxy.limit = uint64_t(o.storage_cache_mib) << 20;
    proxy.max_object = std::min(proxy.max_object, proxy.limit);
    config.proxy = std::move(proxy);
    return config;
}

// One descriptor a connection: take what the system allows.
void raise_descriptor_limit() {
    rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

Status run(const BootdOptions& o) {
    const StateDir state(o.state);
    const std::unique_ptr<Database> db = TRY(open_state(o.state));
    BootServerConfig config = TRY(make_config(o, state));
    raise_descriptor_limit();
    const RealClock clock;
    const std::unique_ptr<Loop> loop = TRY(Loop::create(clock));
    BootServer server(*loop, *db, std::move(config));
    TRY(server.start());
    bool stopping = false;
    const auto stop = [&] {
        if (stopping) return loop->stop();
        stopping = true;
        notify_stopping();
        log_info("bootd", "stopping");
        server.drain(kDrain, [&] { loop->stop(); });
    };
    TRY(loop->on_signal(SIGTERM, stop));
    TRY(loop->on_signal(SIGINT, stop));
    TRY(loop->on_signal(SIGHUP, [&] {
        const Status reloaded = server.reload();
        if (!reloaded) log_error("bootd", "reload", {{"error", reloaded.error().message()}});
    }));
    keep_watchdog_fed(*loop);
    log_info("bootd", "ready",
             {{"port", strf("%u", server.port())},
              {"plain_port", strf("%u", server.plain_port())},
              {"metrics_port", strf("%u", server.metrics_port())}});
    notify_ready();
    return loop->run();
}

}  // namespace
}  // namespace planetbox

using namespace planetbox;

int bootd_main(int argc, char** argv) {
    BootdOptions options;
    Options opt("bootd",
                "Boot server: scripts, one-time ids, images and reports over HTTPS.\n"
                "\n"
                "Speaks ePoxy's interface, so that its client and its iPXE scripts work unchanged. "
                "Certificates\n"
                "and state are those of 'planetbox up', which also starts it; alone it is for "
                "tests and for units.\n"
                "SIGHUP reads the certificates again (a change is also noticed); SIGTERM ends it "
                "within 5 s.\n"
                "\n"
                "    planetbox bootd --state /var/lib/planetbox --port 443\n");
    declare(opt, &options);
    if (std::optional<int> code = opt.parse(argc, argv)) return *code;
    const Status done = run(options);
    if (done) return kExitOk;
    fprintf(stderr, "planetbox bootd: %s\n", done.error().message().c_str());
    return kExitFailure;
}
