#include "boot/boot_service.h"

#include "base/log.h"
#include "base/strings.h"
#include "boot/stage_script.h"

namespace planetbox {
namespace {

using Kind = BootRoute::Kind;

// ePoxy's own words.
constexpr std::string_view kWrongHost = "Caller cannot access host\n";
constexpr std::string_view kWrongId = "Given session ID does not match host record\n";

constexpr Millis kSameMoment{1};

struct HostPort {
    std::string_view host, port;
};

// "name", "name:443", "[2001:db8::1]:443", "2001:db8::1".
HostPort split_host_port(std::string_view text) {
    const size_t bracket = text.find(']');
    const size_t colon = text.rfind(':');
    if (text.starts_with("[") && bracket != text.npos) {
        const bool has_port = bracket + 1 < text.size() && text[bracket + 1] == ':';
        return {text.substr(1, bracket - 1), has_port ? text.substr(bracket + 2) : ""};
    }
    if (colon == text.npos || text.find(':') != colon) return {text, ""};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

bool is_port(std::string_view text) {
    const std::optional<uint64_t> port = parse_uint(text);
    return port && *port >= 1 && *port <= 65535;
}

HttpResponse not_allowed(BootRoute::Kind kind) {
    HttpResponse response = HttpResponse::text(405, "Method Not Allowed\n");
    response.headers.add("Allow", std::string(route_methods(kind)));
    return response;
}

HttpResponse unknown_host(const std::string& hostname, Kind kind) {
    if (kind != Kind::kStage1Ipxe)
        return HttpResponse::text(404, "Unknown host: " + hostname + "\n");
    HttpResponse response =
        HttpResponse::text(404, message_ipxe({"[B08] the boot server does not know " + hostname,
                                              "add it there with: bootadm add " + hostname},
                                             60));
    response.headers.set("Content-Type", "text/plain; charset=us-ascii");
    return response;
}

}  // namespace

BootService::BootService(Loop& loop, BootStore& store, StorageService& storage,
                         ExtensionRunner& extensions, BootMetrics& metrics,
                         BootServiceConfig config)
    : loop_(loop),
      store_(store),
      storage_(storage),
      extensions_(extensions),
      metrics_(metrics),
      config_(std::move(config)),
      commits_(loop, store.database()) {}

size_t BootService::body_limit(const HttpRequest& request) {
    switch (parse_boot_route(request.path).kind) {
        case Kind::kReport:      // debug.config is the whole action
        case Kind::kStage1Ipxe:  // ePoxy takes 1 MiB of form
        case Kind::kExtension:
            return 1 << 20;
        case Kind::kStage1Json:
        case Kind::kStage2:
        case Kind::kStage3:
            return 64 * 1024;
        default:
            return 4096;
    }
}

// Nodes may know this server by several names and by a forwarded port.  What a client called it by
// is taken if the name is one of ours, because the client has verified that name; else the first
// name is used.
std::string BootService::base_url(const HttpRequest& request) const {
    const HostPort asked = split_host_port(request.headers.get("Host").value_or(""));
    const std::string_view scheme = request.tls ? "https://" : "http://";
    for (const std::string& name : config_.public_names) {
        const HostPort known = split_host_port(name);
        if (!iequals_ascii(known.host, asked.host)) continue;
        const bool v6 = known.host.find(':') != known.host.npos;
        std::string url = str_cat(scheme, v6 ? "[" : "", known.host, v6 ? "]" : "");
        if (is_port(asked.port)) url += str_cat(":", asked.port);
        return url;
    }
    if (config_.public_names.empty()) return str_cat(scheme, "localhost");
    const HostPort first = split_host_port(config_.public_names.front());
    const bool v6 = first.host.find(':') != first.host.npos;
    std::string url = str_cat(scheme, v6 ? "[" : "", first.host, v6 ? "]" : "");
    if (!first.port.empty())
        url += str_cat(":", first.port);
    else if (config_.port != 443)
        url += strf(":%u", config_.port);
    return url;
}

// Drops what other processes may have changed.  A look costs system calls, so requests of the same
// moment share one: whoever changed the state cannot have asked since.
Status BootService::refresh() {
    const MonoTime mono = loop_.clock().mono();
    if (data_version_ >= 0 && mono - refreshed_ < kSameMoment) return {};
    refreshed_ = mono;
    const int64_t version = TRY(store_.data_version());
    if (version == data_version_) return {};
    hosts_.clear();
    TRY(storage_.refresh(version));
    extension_table_ = TRY(store_.list_extensions());
    data_version_ = version;
    return {};
}

// Null when there is no such host.
Result<BootService::EntryPtr> BootService::find_host(const std::string& hostname) {
    TRY(refresh());
    if (const auto found = hosts_.find(hostname); found != hosts_.end()) return found->second;
    std::optional<Host> host = TRY(store_.find_host(hostname));
    if (!host) return EntryPtr();
    std::vector<NodeKey> keys = TRY(store_.keys(host->id));
    const EntryPtr entry = std::make_shared<const Entry>(std::move(*host), std::move(keys));
    hosts_[hostname] = entry;
    return entry;
}

void BootService::handle(HttpRequest&& request, HttpResponder responder) {
    const BootRoute route = parse_boot_route(request.path);
    if (route.kind == Kind::kNone)
        return std::move(responder).reply(HttpResponse::text(404, "404 page not found\n"));
    if (!route_allows(route.kind, request.method))
        return std::move(responder).reply(not_allowed(route.kind));
    if (route.kind == Kind::kHealth)
        return std::move(responder).reply(HttpResponse::text(200, "ok"));
    if (route.kind != Kind::kStorage) return handle_host(std::move(request), std::move(responder));
    const Status fresh = refresh();
    if (!fresh) {
        log_error("bootd", "read the state", {{"error", fresh.error().message()}});
        return std::move(responder).reply(HttpResponse::text(503, "The state cannot be read\n"));
    }
    const std::string base = base_url(request);
    const std::string path(route.path);
    storage_.serve(std::move(request), path, base, std::move(responder));
}

void BootService::handle_plain(HttpRequest&& request, HttpResponder responder) {
    const Kind kind = parse_boot_route(request.path).kind;
    if (kind == Kind::kStorage || kind == Kind::kHealth || kind == Kind::kNone)
        return handle(std::move(request), std::move(responder));
    std::move(responder).reply(HttpResponse::text(403, "This needs HTTPS\n"));
}

void BootService::handle_host(HttpRequest&& request, HttpResponder responder) {
    const CallPtr call = std::make_shared<Call>(std::move(request), std::move(responder));
    call->route = parse_boot_route(call->request.path);
    call->base = base_url(call->request);
    const Result<std::string> hostname = normal_hostname(call->route.hostname);
    if (!hostname) {
        metrics_.stage1_refused.add({"unknown_host"});
        return std::move(call->responder)
            .reply(unknown_host(printable(call->route.hostname, 64), call->route.kind));
    }
    call->hostname = *hostname;
    Result<EntryPtr> entry = find_host(call->hostname);
    if (!entry) return reply_later(call, fail(std::move(entry.error())));
    if (!*entry) {
        metrics_.stage1_refused.add({"unknown_host"});
        return std::move(call->responder).reply(unknown_host(call->hostname, call->route.kind));
    }
    call->entry = *entry;
    dispatch(call);
}

void BootService::dispatch(const CallPtr& call) {
    switch (call->route.kind) {
        case Kind::kStage1Ipxe:
        case Kind::kStage1Json:
            return stage1(call);
        case Kind::kStage2:
            return stage23(call, TokenKind::kStage2);
        case Kind::kStage3:
            return stage23(call, TokenKind::kStage3);
        case Kind::kReport:
            return report(call);
        default:
            return extension(call);
    }
}

// Sends call->response, or what the failed write makes of it.
void BootService::reply_later(const CallPtr& call, Status status) {
    if (status) return std::move(call->responder).reply(std::move(call->response));
    hosts_.clear();  // what the lost transaction had written may be in there
    log_error("bootd", "answer",
              {{"route", std::string(route_name(call->route.kind))},
               {"host", call->hostname},
               {"error", status.error().message()}});
    const bool busy = status.error().code() == Code::kUnavailable;
    HttpResponse response =
        HttpResponse::text(busy ? 503 : 500, "The state cannot be written; see the server's log\n");
    if (busy) response.headers.add("Retry-After", "5");
    std::move(call->responder).reply(std::move(response));
}

Result<Refusal> BootService::admit(const CallPtr& call, TokenKind kind) {
    const Host& host = call->entry->host;
    const AuthPolicy policy = host.effective_auth(!call->entry->keys.empty());
    const bool by_address = policy == AuthPolicy::kAddress || policy == AuthPolicy::kBoth;
    const IpAddress& peer = call->request.peer.address;
    std::optional<Session> session = TRY(store_.find_session(host.id));
    if (by_address && !host.has_address(peer)) return Refusal::kAddress;
    if (!session) return host.has_address(peer) ? Refusal::kUnknown : Refusal::kAddress;
    if (!session_address_fits(*session, host, peer)) return Refusal::kAddress;
    call->session = std::move(*session);
    return check_token(call->session, kind, call->route.id, now(), config_.limits);
}

void BootService::refuse(const CallPtr& call, Refusal refusal) {
    metrics_.tokens_refused.add({std::string(refusal_name(refusal))});
    note_refusal(call, route_name(call->route.kind), refusal_words(refusal));
    std::move(call->responder)
        .reply(HttpResponse::text(
            403, std::string(refusal == Refusal::kAddress ? kWrongHost : kWrongId)));
}

// At most one line a host in ten seconds: who is refused must not be able to make us write.
void BootService::note_refusal(const CallPtr& call, std::string_view label,
                               std::string_view words) {
    MonoTime& last = last_refusal_[call->hostname];
    const MonoTime mono = loop_.clock().mono();
    if (last != MonoTime() && mono - last < Seconds(10)) return;
    last = mono;
    const BootEvent refused = event(call, "refused", str_cat(label, " refused: ", words));
    const int64_t id = call->entry->host.id;
    commits_.submit([this, refused, id] { return store_.add_event(id, refused); }, [](Status) {});
}

BootEvent BootService::event(const CallPtr& call, std::string_view kind, std::string detail) const {
    BootEvent made;
    made.at_ms = std::chrono::floor<Millis>(loop_.clock().wall()).time_since_epoch().count();
    made.kind = kind;
    made.address = call->request.peer.address.text();
    made.detail = std::move(detail);
    return made;
}

}  // namespace planetbox
