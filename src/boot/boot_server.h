// bootd as a whole: the state, the services and the listeners, and what happens at reload and at
// the end.
//
// Made and run by the applet.  Certificates are read from the state directory at start, on SIGHUP,
// and when a file of theirs changes (looked at every 5 s); connections that exist go on with the
// old ones.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "boot/boot_service.h"
#include "metrics/metrics.h"
#include "net/http_server.h"
#include "net/tls.h"

namespace planetbox {

struct BootServerConfig {
    Endpoint listen;
    std::optional<Endpoint> plain_listen;  // plain HTTP: files of images only
    std::optional<Endpoint> metrics_listen;
    // The certificate files: pairs of certificate (with chain) and key.
    std::vector<std::pair<std::string, std::string>> cert_files;
    std::vector<std::string> public_names;  // the certificates' names are added behind these
    bool legacy_tls = false;
    std::string images_directory;
    std::optional<StorageProxyConfig> proxy;
    std::string extension_ca_pem;
    SessionLimits limits;
    bool access_log = true;
    std::string build_version;
};

class BootServer {
public:
    BootServer(Loop& loop, Database& db, BootServerConfig config);
    // Listens on everything; then requests are answered as the loop turns.
    Status start();
    Status reload();
    // Stops accepting, lets what is under way end for at most `limit`, then calls back.
    void drain(Millis limit, std::function<void()> done);
    uint16_t port() const { return port_; }
    uint16_t plain_port() const { return plain_port_; }
    uint16_t metrics_port() const { return metrics_port_; }

private:
    Result<std::shared_ptr<TlsContext>> load_certs();
    std::string cert_stamp() const;
    void watch_certs();
    void collect();
    Status listen_metrics();

    Loop& loop_;
    BootServerConfig config_;
    Registry registry_;
    BootMetrics metrics_;
    BootStore store_;
    StorageService storage_;
    ExtensionRunner extensions_;
    std::unique_ptr<BootService> service_;
    std::unique_ptr<HttpServer> server_, plain_server_, metrics_server_;
    std::shared_ptr<TlsContext> tls_;
    std::vector<std::string> cert_names_;
    std::string cert_stamp_;
    uint16_t port_ = 0, plain_port_ = 0, metrics_port_ = 0;
};

}  // namespace planetbox
