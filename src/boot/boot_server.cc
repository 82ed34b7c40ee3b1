#include "boot/boot_server.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "crypto/ca.h"
#include "sys/files.h"

namespace planetbox {
namespace {

constexpr size_t kMaxPem = 256 * 1024;

std::unique_ptr<StorageProxy> make_proxy(Loop& loop, const BootServerConfig& config) {
    return config.proxy ? std::make_unique<StorageProxy>(loop, *config.proxy) : nullptr;
}

HttpLimits limits_for_nodes() {
    HttpLimits limits;
    limits.max_connections = 8192;
    return limits;
}

}  // namespace

BootServer::BootServer(Loop& loop, Database& db, BootServerConfig config)
    : loop_(loop),
      config_(std::move(config)),
      metrics_(registry_),
      store_(db),
      storage_(config_.images_directory, store_, make_proxy(loop, config_)),
      extensions_(loop, config_.extension_ca_pem) {
    registry_.set_build_version(config_.build_version);
    registry_.on_collect([this] { collect(); });
}

Result<std::shared_ptr<TlsContext>> BootServer::load_certs() {
    TlsServerConfig tls;
    tls.allow_rsa_key_exchange = config_.legacy_tls;
    std::vector<std::string> names;
    for (const auto& [cert, key] : config_.cert_files) {
        CertAndKey pair;
        pair.cert_pem = TRY_CONTEXT(read_file(cert, kMaxPem), "server certificate");
        pair.key_pem = TRY_CONTEXT(read_file(key, kMaxPem), "server key");
        const CertInfo info = TRY_CONTEXT(inspect_cert(pair.cert_pem), cert);
        for (const std::string& name : info.names)
            if (std::ranges::find(names, name) == names.end()) names.push_back(name);
        tls.certs.push_back(std::move(pair));
    }
    std::shared_ptr<TlsContext> context = TRY(TlsContext::create(tls));
    cert_names_ = std::move(names);
    return context;
}

std::string BootServer::cert_stamp() const {
    std::string stamp;
    for (const auto& [cert, key] : config_.cert_files) {
        for (const std::string& path : {cert, key}) {
            struct stat status{};
            (void)stat(path.c_str(), &status);
            stamp += strf("%llu.%lld.%ld ", static_cast<unsigned long long>(status.st_ino),
                          static_cast<long long>(status.st_mtim.tv_sec), status.st_mtim.tv_nsec);
        }
    }
    return stamp;
}

Status BootServer::start() {
    cert_stamp_ = cert_stamp();
    tls_ = TRY(load_certs());
    BootServiceConfig service;
    service.limits = config_.limits;
    service.access_log = config_.access_log;
    service_ =
        std::make_unique<BootService>(loop_, store_, storage_, extensions_, metrics_, service);
    server_ = std::make_unique<HttpServer>(
        loop_, limits_for_nodes(), [this](HttpRequest&& request, HttpResponder responder) {
            service_->handle(std::move(request), std::move(responder));
        });
    server_->set_body_limit(BootService::body_limit);
    server_->set_observer([this](const HttpExchange& exchange) { service_->observe(exchange); });
    port_ = TRY_CONTEXT(server_->listen(config_.listen, tls_), "listen");
    std::vector<std::string> names = config_.public_names;
    names.insert(names.end(), cert_names_.begin(), cert_names_.end());
    service_->set_public_names(std::move(names), port_);
    if (config_.plain_listen) {
        plain_server_ = std::make_unique<HttpServer>(
            loop_, limits_for_nodes(), [this](HttpRequest&& request, HttpResponder responder) {
                service_->handle_plain(std::move(request), std::move(responder));
            });
        plain_server_->set_body_limit(BootService::body_limit);
        plain_server_->set_observer(
            [this](const HttpExchange& exchange) { service_->observe(exchange); });
        plain_port_ = TRY_CONTEXT(plain_server_->listen(*config_.plain_listen, nullptr),
                                  "listen (plain HTTP)");
    }
    TRY(listen_metrics());
    loop_.after(Seconds(5), [this] { watch_certs(); });
    return {};
}

Status BootServer::listen_metrics() {
    if (!config_.metrics_listen) return {};
    HttpLimits limits;
    limits.max_connections = 64;
    metrics_server_ = std::make_unique<HttpServer>(
        loop_, limits, [this](HttpRequest&& request, HttpResponder responder) {
            if (request.path != "/metrics")
                return std::move(responder).reply(HttpResponse::text(404, "see /metrics\n"));
            HttpResponse response;
            response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
            response.body = registry_.render();
            std::move(responder).reply(std::move(response));
        });
    metrics_port_ =
        TRY_CONTEXT(metrics_server_->listen(*config_.metrics_listen, nullptr), "listen (metrics)");
    return {};
}

Status BootServer::reload() {
    const std::string stamp = cert_stamp();
    tls_ = TRY(load_certs());
    cert_stamp_ = stamp;
    server_->replace_tls(tls_);
    std::vector<std::string> names = config_.public_names;
    names.insert(names.end(), cert_names_.begin(), cert_names_.end());
    service_->set_public_names(std::move(names), port_);
    log_info("bootd", "certificates loaded");
    return {};
}

// A renewal writes several files; one that is seen half done fails to load, and is tried again.
void BootServer::watch_certs() {
    if (cert_stamp() != cert_stamp_) {
        const Status loaded = reload();
        if (!loaded)
            log_warning("bootd", "new certificates do not load, the old ones stay",
                        {{"error", loaded.error().message()}});
    }
    loop_.after(Seconds(5), [this] { watch_certs(); });
}

void BootServer::collect() {
    service_->collect_metrics();
    double open = 0, accepted = 0, handshakes = 0;
    std::map<std::string, double> refused;
    for (const HttpServer* server : {server_.get(), plain_server_.get()}) {
        if (!server) continue;
        const HttpServer::Stats& stats = server->stats();
        open += double(stats.connections_open);
        accepted += double(stats.connections_total);
        handshakes += double(stats.handshakes_total);
        for (const auto& [reason, count] : stats.refused) refused[reason] += double(count);
    }
    metrics_.connections.set(open);
    metrics_.raise_to(metrics_.connections_total, {}, accepted);
    metrics_.raise_to(metrics_.handshakes_total, {}, handshakes);
    for (const auto& [reason, count] : refused)
        metrics_.raise_to(metrics_.requests_refused, {reason}, count);
    for (const auto& [reason, count] : tls_->failures())
        metrics_.raise_to(metrics_.tls_failures, {reason}, double(count));
    if (const StorageProxy* proxy = storage_.proxy()) {
        const StorageProxy::Stats& stats = proxy->stats();
        metrics_.raise_to(metrics_.proxy, {"hit"}, double(stats.hits));
        metrics_.raise_to(metrics_.proxy, {"fetched"}, double(stats.fetched));
        metrics_.raise_to(metrics_.proxy, {"revalidated"}, double(stats.revalidated));
        metrics_.raise_to(metrics_.proxy, {"stale"}, double(stats.stale));
        metrics_.raise_to(metrics_.proxy, {"failed"}, double(stats.failed));
    }
}

void BootServer::drain(Millis limit, std::function<void()> done) {
    auto left = std::make_shared<int>(0);
    const auto one_done = [left, done = std::move(done)] {
        if (--*left == 0) done();
    };
    std::vector<HttpServer*> servers;
    for (HttpServer* server : {server_.get(), plain_server_.get(), metrics_server_.get()})
        if (server) servers.push_back(server);
    *left = int(servers.size());
    for (HttpServer* server : servers) server->drain(limit, one_done);
}

}  // namespace planetbox
