// Stages 1 to 3: which sequence a host boots, and the answers.
#include "base/log.h"
#include "base/strings.h"
#include "boot/boot_service.h"
#include "boot/stage_script.h"

namespace planetbox {

using Kind = BootRoute::Kind;

struct BootService::Chosen {
    Sequence urls;     // complete URLs, {{VERSION}} replaced
    std::string what;  // for the log
    BootPhase last_phase = BootPhase::kStage1;
    std::string_view url(std::string_view stage) const {
        const auto found = urls.find(stage);
        return found == urls.end() ? std::string_view() : std::string_view(found->second);
    }
};

namespace {

constexpr std::string_view kDefaultImage = "planetbox";
constexpr std::string_view kUpdateImage = "update";

std::string_view stage_of(Kind kind) {
    switch (kind) {
        case Kind::kStage1Ipxe:
            return "stage1.ipxe";
        case Kind::kStage1Json:
            return "stage1.json";
        case Kind::kStage2:
            return "stage2";
        default:
            return "stage3";
    }
}

// A Linux that asks for stage 1 is what stage 2 is, a small system that checks what it starts: it
// goes on to stage 3 at once, which saves a slow machine a kexec.  (stage1to2.json is for sequences
// that want one.)
std::string_view built_in_action(std::string_view stage, bool rescue) {
    if (stage == "stage1.ipxe") return rescue ? "rescue.ipxe" : "stage1to2.ipxe";
    if (stage == "stage1.json") return rescue ? "rescue.json" : "stage2to3.json";
    return stage == "stage2" ? "stage2to3.json" : "stage3post.json";
}

bool wants_update(const Host& host) {
    return host.update_enabled || host.boot_state == BootState::kReinstall ||
           host.boot_state == BootState::kUpgrade;
}

// "iPXE 1.21.1" or "Linux", from what it said of itself.
std::string client_words(Kind kind, const FormFields& facts) {
    if (kind == Kind::kStage1Json) return "Linux";
    for (const auto& [name, value] : facts)
        if (name == "version") return "iPXE " + value;
    return "iPXE";
}

std::string_view field(const FormFields& fields, std::string_view name) {
    for (const auto& [known, value] : fields)
        if (known == name) return value;
    return {};
}

HttpResponse no_stage(std::string_view stage) {
    return HttpResponse::text(404, str_cat("The host's boot sequence has no ", stage, "\n"));
}

}  // namespace

std::string BootService::built_in_url(const Host& host, const std::string& base,
                                      std::string_view image, std::string_view stage,
                                      bool rescue) const {
    // Rescue must not depend on the host's version being here.
    const ImageCatalog& catalog = storage_.catalog();
    const bool have = catalog.image(catalog.resolve(host.images_version), image) != nullptr;
    return str_cat(base, "/v1/storage/",
                   have || !rescue ? std::string_view(host.images_version) : "latest", "/", image,
                   "/", built_in_action(stage, rescue));
}

BootService::Chosen BootService::choose_sequence(const Host& host, const std::string& base,
                                                 bool update) const {
    const ImageCatalog& catalog = storage_.catalog();
    const bool update_image =
        catalog.image(catalog.resolve(host.images_version), kUpdateImage) != nullptr;
    const bool rescue = host.boot_state == BootState::kSafeboot;
    Chosen chosen;
    // An update that nobody has defined boots the usual system, rather than nothing.
    const Sequence& own = update && !host.update.empty() ? host.update : host.boot;
    const bool built_in = update && host.update.empty() ? update_image || own.empty() : own.empty();
    const std::string_view image = update && update_image ? kUpdateImage : kDefaultImage;
    for (std::string_view stage : kStageNames) {
        std::string url;
        if (rescue && stage.starts_with("stage1"))
            url = built_in_url(host, base, kDefaultImage, stage, true);
        else if (built_in)
            url = built_in_url(host, base, image, stage, false);
        else if (const auto found = own.find(stage); found != own.end())
            url = replace_all(found->second, "{{VERSION}}", host.images_version);
        if (url.empty()) continue;
        chosen.urls[std::string(stage)] = url.starts_with("/") ? base + url : url;
        if (stage == "stage2") chosen.last_phase = BootPhase::kStage2;
        if (stage == "stage3") chosen.last_phase = BootPhase::kStage3;
    }
    chosen.what = rescue ? "rescue" : update ? "update sequence" : "boot sequence";
    return chosen;
}

// Replies and returns false when this machine is not that host.
bool BootService::may_boot(const CallPtr& call, std::string_view key) {
    const Entry& entry = *call->entry;
    const AuthPolicy policy = entry.host.effective_auth(!entry.keys.empty());
    const bool wants_address = policy != AuthPolicy::kKey;
    const bool wants_key = policy == AuthPolicy::kKey || policy == AuthPolicy::kBoth;
    std::string_view why;
    if (wants_address && !entry.host.has_address(call->request.peer.address))
        why = "address";
    else if (wants_key && !key_fits(entry.keys, key, now()))
        why = key.empty() ? "no_key" : "key";
    if (why.empty()) return true;
    metrics_.stage1_refused.add({std::string(why)});
    note_refusal(call, stage_of(call->route.kind),
                 why == "address"  ? "it came from an address that is not this host's"
                 : why == "no_key" ? "it showed no node key"
                                   : "its node key is wrong or too old");
    std::move(call->responder).reply(HttpResponse::text(403, "Caller cannot access host\n"));
    return false;
}

void BootService::stage1(const CallPtr& call) {
    const HttpRequest& request = call->request;
    const bool ipxe = call->route.kind == Kind::kStage1Ipxe;
    Result<FormFields> fields =
        request.method == "POST" ? parse_form_body(request) : parse_form(request.query);
    // ePoxy ignores the form of stage1.json, whatever it is.
    if (!fields && !ipxe) fields = FormFields();
    if (!fields)
        return std::move(call->responder)
            .reply(HttpResponse::text(400, fields.error().message() + "\n"));
    if (request.method == "POST") {
        Result<FormFields> query = parse_form(request.query);
        if (query)
            for (auto& pair : *query)
                if (pair.first == "key") fields->push_back(std::move(pair));
    }
    if (!may_boot(call, field(*fields, "key"))) return;
    for (const auto& [name, value] : *fields) collect_fact(&call->fields, name, value);
    if (call->entry->host.boot_state == BootState::kDisabled) return answer_disabled(call);
    if (request.method == "HEAD") {
        call->response.headers.add("Content-Type", "text/plain; charset=us-ascii");
        return reply_later(call, {});
    }
    commits_.submit([this, call] { return write_stage1(call); },
                    [this, call](Status status) {
                        if (status && call->response.status == 200) {
                            remember_address(call);
                            count_stage1(call->hostname);
                        }
                        reply_later(call, std::move(status));
                    });
}

Status BootService::write_stage1(const CallPtr& call) {
    // Again, because inside the transaction the record cannot change any more.
    call->entry = TRY(find_host(call->hostname));
    if (!call->entry) {
        call->response = HttpResponse::text(404, "Unknown host\n");
        return {};
    }
    const Host& host = call->entry->host;
    const bool update = wants_update(host);
    const Chosen chosen = choose_sequence(host, call->base, update);
    const std::string_view stage = stage_of(call->route.kind);
    if (chosen.url(stage).empty()) {
        call->response = no_stage(stage);
        return {};
    }
    Session& session = call->session;
    session.node_id = host.id;
    session.update = update;
    session.last_phase = chosen.last_phase;
    const SessionIds ids =
        mint_session(&session, call->request.peer.address, now(), config_.limits);
    TRY(store_.put_session(session));
    TRY(store_.add_event(host.id, event(call, "stage1",
                                        client_words(call->route.kind, call->fields) + ", " +
                                            chosen.what + ", images " + host.images_version)));
    if (call->route.kind == Kind::kStage1Ipxe && !call->fields.empty() &&
        call->fields != host.collected) {
        TRY(store_.set_collected(host.id, call->fields));
        hosts_.erase(call->hostname);
    }
    const std::string prefix = str_cat(call->base, "/v1/boot/", call->hostname, "/");
    StageAnswer answer;
    answer.chain_url = chosen.url(stage);
    answer.stage2_url = prefix + ids[TokenKind::kStage2] + "/stage2";
    answer.stage3_url = prefix + ids[TokenKind::kStage3] + "/stage3";
    answer.report_url = prefix + ids[TokenKind::kReport] + "/report";
    answer.images_version = host.images_version;
    for (const std::string& operation : host.extensions)
        answer.extensions.emplace_back(
            operation, prefix + ids[TokenKind::kExtension] + "/extension/" + operation);
    answer.epoxy_ipv4 = host.epoxy_ipv4();
    answer.epoxy_ipv6 = host.epoxy_ipv6();
    if (call->route.kind == Kind::kStage1Json) {
        call->response = HttpResponse::json(200, stage1_json(answer));
    } else {
        call->response.body = stage1_ipxe(answer);
        call->response.headers.add("Content-Type", "text/plain; charset=us-ascii");
    }
    call->response.headers.add("Cache-Control", "no-store");
    return {};
}

// iPXE gets a script, because it shows nothing of a refusal.
void BootService::answer_disabled(const CallPtr& call) {
    metrics_.stage1_refused.add({"disabled"});
    note_refusal(call, stage_of(call->route.kind), "the host is disabled");
    if (call->route.kind == Kind::kStage1Ipxe) {
        call->response.body = message_ipxe({call->hostname + " is disabled on the boot server",
                                            "its operator can change that with: bootadm update " +
                                                call->hostname + " --boot-state boot"},
                                           60);
        call->response.headers.add("Content-Type", "text/plain; charset=us-ascii");
    } else {
        call->response = HttpResponse::text(403, "The host is disabled\n");
    }
    call->response.headers.add("Cache-Control", "no-store");
    reply_later(call, {});
}

void BootService::stage23(const CallPtr& call, TokenKind kind) {
    const Result<Refusal> refusal = admit(call, kind);
    if (!refusal) return reply_later(call, fail(refusal.error()));
    if (*refusal != Refusal::kNone) return refuse(call, *refusal);
    commits_.submit([this, call, kind] { return write_stage23(call, kind); },
                    [this, call](Status status) { reply_later(call, std::move(status)); });
}

Status BootService::write_stage23(const CallPtr& call, TokenKind kind) {
    // Again: another request of this batch may have moved the session on.
    const Refusal refusal = TRY(admit(call, kind));
    if (refusal != Refusal::kNone) {
        metrics_.tokens_refused.add({std::string(refusal_name(refusal))});
        call->response = HttpResponse::text(403, "Given session ID does not match host record\n");
        return {};
    }
    const Host& host = call->entry->host;
    const Chosen chosen = choose_sequence(host, call->base, call->session.update);
    const std::string_view stage = stage_of(call->route.kind);
    if (chosen.url(stage).empty()) {
        call->response = no_stage(stage);
        return {};
    }
    const bool retry = call->session.phase ==
                       (kind == TokenKind::kStage2 ? BootPhase::kStage2 : BootPhase::kStage3);
    use_token(&call->session, kind, now(), config_.limits);
    TRY(store_.save_session(call->session));
    TRY(store_.add_event(host.id,
                         event(call, stage, retry ? "asked again" : "asked for its action")));
    call->response = HttpResponse::json(200, stage_json(chosen.url(stage)));
    call->response.headers.add("Cache-Control", "no-store");
    return {};
}

}  // namespace planetbox
