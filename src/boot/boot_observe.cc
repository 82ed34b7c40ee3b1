// What bootd tells about its requests: access log, metrics, and which files a host has fetched.
#include <map>

#include "base/log.h"
#include "base/strings.h"
#include "boot/boot_service.h"

namespace planetbox {

using Kind = BootRoute::Kind;

// Downloads carry no id; whose they are is told by their address, unless several hosts share it.
void BootService::remember_address(const CallPtr& call) {
    if (by_address_.size() > 20'000) by_address_.clear();
    Downloads& downloads = by_address_[call->request.peer.address.text()];
    const bool first = downloads.hostname.empty() && downloads.files.empty();
    if (first || downloads.hostname == call->hostname) {
        downloads.hostname = call->hostname;
        downloads.files.clear();
    } else {
        downloads.hostname.clear();
        downloads.files.insert("several hosts");
    }
}

void BootService::note_file(const HttpExchange& exchange, std::string_view path) {
    if (!exchange.completed || (exchange.status != 200 && exchange.status != 206)) return;
    if (exchange.request.method != "GET") return;
    const auto found = by_address_.find(exchange.request.peer.address.text());
    if (found == by_address_.end() || found->second.hostname.empty()) return;
    // One line a file and boot, however many pieces it was fetched in.
    if (found->second.files.size() > 64 || !found->second.files.insert(std::string(path)).second)
        return;
    const Result<EntryPtr> entry = find_host(found->second.hostname);
    if (!entry || !*entry) return;
    BootEvent fetched;
    fetched.at_ms = std::chrono::floor<Millis>(loop_.clock().wall()).time_since_epoch().count();
    fetched.kind = "file";
    fetched.address = exchange.request.peer.address.text();
    fetched.detail = str_cat("fetched ", printable(path), " (", human_bytes(exchange.bytes_sent),
                             " in ", human_duration(exchange.duration), ")");
    const int64_t id = (*entry)->host.id;
    commits_.submit([this, fetched, id] { return store_.add_event(id, fetched); }, [](Status) {});
}

void BootService::count_stage1(const std::string& hostname) {
    auto found = stage1_series_.find(hostname);
    if (found == stage1_series_.end())
        found = stage1_series_.emplace(hostname, metrics_.stage1_total.with({hostname})).first;
    found->second.add();
}

void BootService::count_request(Kind kind, const HttpExchange& exchange) {
    const int key = int(kind) * 1000 + exchange.status;
    auto found = route_series_.find(key);
    if (found == route_series_.end()) {
        const std::string name(route_name(kind)), code = std::to_string(exchange.status);
        RouteSeries series{metrics_.request_duration.with({name, code}),
                           metrics_.sent_bytes.with({name}), std::nullopt};
        if (kind == Kind::kStage1Ipxe) series.stage1 = metrics_.stage1_duration.with({code});
        found = route_series_.emplace(key, series).first;
    }
    const double seconds = double(exchange.duration.count()) / 1000;
    found->second.duration.observe(seconds);
    found->second.sent_bytes.add(double(exchange.bytes_sent));
    if (found->second.stage1) found->second.stage1->observe(seconds);
}

void BootService::observe(const HttpExchange& exchange) {
    const BootRoute route = parse_boot_route(exchange.request.path);
    count_request(route.kind, exchange);
    if (route.kind == Kind::kStorage) note_file(exchange, route.path);
    if (!config_.access_log) return;
    // Neither path nor query nor body: they hold ids.
    log_info("bootd", "request",
             {{"peer", exchange.request.peer.address.text()},
              {"method", printable(exchange.request.method, 16)},
              {"route", std::string(route_name(route.kind))},
              {"host", printable(route.hostname, 64)},
              {"status", std::to_string(exchange.status)},
              {"bytes", std::to_string(exchange.bytes_sent)},
              {"ms", std::to_string(exchange.duration.count())},
              {"completed", exchange.completed ? "yes" : "no"}});
}

void BootService::collect_metrics() {
    const Result<std::vector<Host>> hosts = store_.list_hosts();
    const Result<std::vector<Session>> sessions = store_.list_sessions();
    if (!hosts || !sessions) return;
    std::map<int64_t, const Session*> by_node;
    for (const Session& session : *sessions) by_node[session.node_id] = &session;
    metrics_.last_boot.clear();
    metrics_.last_success.clear();
    metrics_.hosts.clear();
    std::map<std::string, int> by_status;
    for (const Host& host : *hosts) {
        // As ePoxy: a machine shows up once it has booted and succeeded.
        if (host.last_session != 0 && host.last_success != 0) {
            metrics_.last_boot.set({host.hostname}, double(host.last_session));
            metrics_.last_success.set({host.hostname}, double(host.last_success));
        }
        const auto found = by_node.find(host.id);
        const std::string status =
            found == by_node.end() ? "never" : session_status(*found->second, now());
        ++by_status[std::string(split(status, ' ')[0])];
    }
    for (const auto& [status, count] : by_status) metrics_.hosts.set({status}, count);
}

}  // namespace planetbox
