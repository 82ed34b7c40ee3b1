// Reports and extensions.
#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "boot/boot_service.h"
#include "wire/failure_code.h"

namespace planetbox {
namespace {

constexpr size_t kMaxMessage = 2048;
constexpr size_t kIdLength = 27;   // of a session id
constexpr size_t kKeyLength = 43;  // of a node key

bool is_id_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

std::string_view field(const FormFields& fields, std::string_view name) {
    for (const auto& [known, value] : fields)
        if (known == name) return value;
    return {};
}

}  // namespace

std::string scrub_message(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        size_t end = at;
        while (end < text.size() && is_id_char(text[end])) ++end;
        const size_t length = end - at;
        if (length == kIdLength || length == kKeyLength)
            out += "***";
        else
            out.append(text.substr(at, length));
        at = end;
        if (at < text.size()) out += text[at++];
    }
    return printable(out, kMaxMessage);
}

void BootService::report(const CallPtr& call) {
    Result<FormFields> fields = parse_form_body(call->request);
    const Result<Refusal> refusal = admit(call, TokenKind::kReport);
    if (!refusal) return reply_later(call, fail(refusal.error()));
    if (*refusal != Refusal::kNone) return refuse(call, *refusal);
    if (!fields)
        return std::move(call->responder)
            .reply(HttpResponse::text(400, fields.error().message() + "\n"));
    call->fields = std::move(*fields);
    commits_.submit([this, call] { return write_report(call); },
                    [this, call](Status status) {
                        hosts_.erase(call->hostname);  // its record may have changed
                        reply_later(call, std::move(status));
                    });
}

Status BootService::write_report(const CallPtr& call) {
    Refusal refusal = TRY(admit(call, TokenKind::kReport));
    ReportOutcome outcome;
    const std::string message = scrub_message(trim(field(call->fields, "message")));
    if (refusal == Refusal::kNone) {
        outcome = take_report(&call->session, message == "success");
        refusal = outcome.refusal;
    }
    if (refusal != Refusal::kNone) {
        metrics_.tokens_refused.add({std::string(refusal_name(refusal))});
        call->response = HttpResponse::text(403, "Given session ID does not match host record\n");
        return {};
    }
    use_token(&call->session, TokenKind::kReport, now(), config_.limits);
    const std::string_view code = field(call->fields, "code");
    call->session.message = message;
    call->session.code = find_failure_code(code) ? std::string(code) : "";
    BootEvent reported = event(call, "report", message.empty() ? "(no message)" : message);
    if (outcome.early && !outcome.success) reported.detail += " (of a stage before the last)";
    const std::string_view uptime = field(call->fields, "uptime");
    if (uptime.size() < 16 && parse_uint(uptime)) reported.detail += str_cat(", up ", uptime, " s");
    reported.code = call->session.code;
    const Host& host = call->entry->host;
    TRY(store_.save_session(call->session));
    TRY(store_.set_reported(host.id, outcome.success, now()));
    TRY(store_.add_event(host.id, reported));
    metrics_.reports.add({outcome.success ? "success" : outcome.early ? "early" : "error"});
    call->response.status = 204;
    return {};
}

Result<const ExtensionRecord*> BootService::find_extension(std::string_view name) {
    TRY(refresh());
    const auto found = std::ranges::find(extension_table_, name, &ExtensionRecord::name);
    return found == extension_table_.end() ? nullptr : &*found;
}

void BootService::extension(const CallPtr& call) {
    const std::string_view operation = call->route.operation;
    const auto answer = [&](int status, std::string text) {
        metrics_.extensions.add({"refused", strf("%d", status)});
        std::move(call->responder).reply(HttpResponse::text(status, std::move(text)));
    };
    const Result<Refusal> refusal = admit(call, TokenKind::kExtension);
    if (!refusal) return reply_later(call, fail(refusal.error()));
    if (*refusal != Refusal::kNone) return refuse(call, *refusal);
    if (operation.empty()) return answer(400, "Zero length operation is invalid\n");
    const Result<const ExtensionRecord*> record = find_extension(operation);
    if (!record) return reply_later(call, fail(record.error()));
    if (!*record)
        return answer(500, "Unknown Extension for operation: " + printable(operation, 64) + "\n");
    const std::vector<std::string>& allowed = call->entry->host.extensions;
    if (std::ranges::find(allowed, operation) == allowed.end())
        return answer(403, "The host may not use this operation\n");
    if (now() - call->session.created > (*record)->max_age)
        return answer(408, "The host booted too long ago for this operation\n");
    const ExtensionRecord chosen = **record;
    commits_.submit(
        [this, call, chosen]() -> Status {
            call->response.status = 403;
            if (TRY(admit(call, TokenKind::kExtension)) != Refusal::kNone) return {};
            use_token(&call->session, TokenKind::kExtension, now(), config_.limits);
            TRY(store_.save_session(call->session));
            call->response.status = 200;
            return store_.add_event(call->entry->host.id,
                                    event(call, "extension", "asked for " + chosen.name));
        },
        [this, call, chosen](Status status) {
            if (!status || call->response.status != 200)
                return reply_later(call, std::move(status));
            run_extension(call, chosen);
        });
}

void BootService::run_extension(const CallPtr& call, const ExtensionRecord& record) {
    const Host& host = call->entry->host;
    const std::string peer = call->request.peer.address.text();
    const bool v4 = call->request.peer.address.is_v4();
    ExtensionQuestion question;
    question.hostname = call->hostname;
    question.ipv4 = !host.ipv4.empty() || !v4 ? host.ipv4 : peer;
    question.ipv6 = !host.ipv6.empty() || v4 ? host.ipv6 : peer;
    question.last_boot = call->session.created;
    question.raw_query = call->request.query;
    extensions_.run(record, question, [this, call, name = record.name](HttpResponse response) {
        metrics_.extensions.add({name, strf("%d", response.status)});
        const BootEvent done =
            event(call, "extension", strf("%s answered %d", name.c_str(), response.status));
        const int64_t id = call->entry->host.id;
        commits_.submit([this, done, id] { return store_.add_event(id, done); }, [](Status) {});
        std::move(call->responder).reply(std::move(response));
    });
}

}  // namespace planetbox
