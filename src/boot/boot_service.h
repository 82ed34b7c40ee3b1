// bootd's requests: who may ask what, in which order it is checked, and what is written before the
// answer.
//
// The order of checks is ePoxy's: host → address (or key) → session id → operation; bodies and
// status codes are its own (reference: mlab.md §1.4).  What changes the state goes through
// GroupCommit, so that an answer leaves after the commit that covers it: a machine never holds an
// id that a power cut can take back, and a refused request writes nothing (but now and then a line
// in the host's log).
//
// Owned by the applet, which connects it to HttpServers; calls StorageService and ExtensionRunner.
// Handlers block on the local disk only.  Split by route: boot_service.cc (dispatch, hosts),
// boot_stages.cc (stage 1-3), boot_reports.cc (reports, extensions), boot_observe.cc (logs,
// metrics).
#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "boot/boot_metrics.h"
#include "boot/boot_store.h"
#include "boot/extension.h"
#include "boot/route.h"
#include "boot/storage_service.h"
#include "event/loop.h"
#include "net/http_server.h"
#include "store/group_commit.h"

namespace planetbox {

struct BootServiceConfig {
    std::vector<std::string>
        public_names;     // as nodes say them: "boot.example.org", "192.0.2.1:8443"
    uint16_t port = 443;  // for a name without a port
    SessionLimits limits;
    bool access_log = true;
};

class BootService {
public:
    BootService(Loop& loop, BootStore& store, StorageService& storage, ExtensionRunner& extensions,
                BootMetrics& metrics, BootServiceConfig config);

    void handle(HttpRequest&& request, HttpResponder responder);
    // For the plain-HTTP listener: storage and health, nothing else.
    void handle_plain(HttpRequest&& request, HttpResponder responder);
    static size_t body_limit(const HttpRequest& request);
    void observe(const HttpExchange& exchange);
    void set_public_names(std::vector<std::string> names, uint16_t port) {
        config_.public_names = std::move(names);
        config_.port = port;
    }
    void collect_metrics();

private:
    struct Entry {
        Host host;
        std::vector<NodeKey> keys;
    };
    using EntryPtr = std::shared_ptr<const Entry>;
    // A request for a host while it is handled.  Views of the route point into request.path.
    struct Call {
        HttpRequest request;
        HttpResponder responder;
        BootRoute route;
        std::string hostname, base;
        EntryPtr entry;
        FormFields fields;
        Session session;
        HttpResponse response;  // what is sent after the commit
        Call(HttpRequest&& r, HttpResponder&& a) : request(std::move(r)), responder(std::move(a)) {}
    };
    using CallPtr = std::shared_ptr<Call>;
    struct Chosen;  // the URLs of a host's sequence

    // boot_service.cc
    int64_t now() const { return unix_seconds(loop_.clock().wall()); }
    std::string base_url(const HttpRequest& request) const;
    Status refresh();
    Result<EntryPtr> find_host(const std::string& hostname);
    void handle_host(HttpRequest&& request, HttpResponder responder);
    void dispatch(const CallPtr& call);
    void reply_later(const CallPtr& call, Status status);
    void refuse(const CallPtr& call, Refusal refusal);
    void note_refusal(const CallPtr& call, std::string_view label, std::string_view words);
    BootEvent event(const CallPtr& call, std::string_view kind, std::string detail) const;
    // The session of the call's host, if this id may be used now.  Does not use it.
    Result<Refusal> admit(const CallPtr& call, TokenKind kind);

    // boot_stages.cc
    Chosen choose_sequence(const Host& host, const std::string& base, bool update) const;
    std::string built_in_url(const Host& host, const std::string& base, std::string_view image,
                             std::string_view stage, bool rescue) const;
    bool may_boot(const CallPtr& call, std::string_view key);
    void stage1(const CallPtr& call);
    Status write_stage1(const CallPtr& call);
    void answer_disabled(const CallPtr& call);
    void stage23(const CallPtr& call, TokenKind kind);
    Status write_stage23(const CallPtr& call, TokenKind kind);

    // boot_reports.cc
    void report(const CallPtr& call);
    Status write_report(const CallPtr& call);
    void extension(const CallPtr& call);
    Result<const ExtensionRecord*> find_extension(std::string_view name);
    void run_extension(const CallPtr& call, const ExtensionRecord& record);

    // boot_observe.cc
    void count_stage1(const std::string& hostname);
    void count_request(BootRoute::Kind kind, const HttpExchange& exchange);
    void remember_address(const CallPtr& call);
    void note_file(const HttpExchange& exchange, std::string_view path);

    Loop& loop_;
    BootStore& store_;
    StorageService& storage_;
    ExtensionRunner& extensions_;
    BootMetrics& metrics_;
    BootServiceConfig config_;
    GroupCommit commits_;

    int64_t data_version_ = -1;
    MonoTime refreshed_{};  // when the state was last looked at
    std::unordered_map<std::string, EntryPtr> hosts_;
    std::vector<ExtensionRecord> extension_table_;
    // Whose downloads come from an address; "" when several hosts share it.
    struct Downloads {
        std::string hostname;
        std::set<std::string> files;
    };
    std::unordered_map<std::string, Downloads> by_address_;
    // Series of metrics that every request counts in, found once.
    struct RouteSeries {
        Histogram::Handle duration;
        Counter::Handle sent_bytes;
        std::optional<Histogram::Handle> stage1;
    };
    std::unordered_map<int, RouteSeries> route_series_;               // by route and status
    std::unordered_map<std::string, Counter::Handle> stage1_series_;  // by host
    std::unordered_map<std::string, MonoTime> last_refusal_;
};

// Shortens a report's message to 2 KB and hides what looks like an id, a key or a URL that holds
// one.
std::string scrub_message(std::string_view text);

}  // namespace planetbox
