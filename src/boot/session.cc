#include "boot/session.h"

#include <string.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "crypto/random.h"

namespace planetbox {
namespace {

bool same_network(std::string_view stored, const IpAddress& peer) {
    const std::optional<IpAddress> address = IpAddress::parse(stored);
    if (!address || address->is_v4() != peer.is_v4()) return false;
    return memcmp(address->bytes(), peer.bytes(), peer.is_v4() ? 4 : 8) == 0;
}

}  // namespace

SessionIds mint_session(Session* session, const IpAddress& peer, int64_t now,
                        const SessionLimits& limits) {
    SessionIds ids;
    for (size_t i = 0; i < kTokenKinds; ++i) {
        ids.id[i] = random_token();
        session->hashes[i] = sha256(ids.id[i]);
    }
    session->address = peer.text();
    session->phase = BootPhase::kStage1;
    session->created = now;
    session->expires = now + limits.lifetime;
    session->uses = session->reports = session->successes = 0;
    session->message.clear();
    session->code.clear();
    return ids;
}

std::string_view refusal_name(Refusal refusal) {
    constexpr std::string_view kNames[] = {"none",   "address", "unknown", "expired",
                                           "closed", "passed",  "worn",    "replayed"};
    return kNames[size_t(refusal)];
}

std::string_view refusal_words(Refusal refusal) {
    constexpr std::string_view kWords[] = {
        "",
        "it came from an address that is not this host's",
        "the id is not of this host's latest boot",
        "the id has expired; the machine must start again at stage 1",
        "the boot was already reported as done",
        "the boot has gone past this stage",
        "the id was used too often",
        "the same report was already taken"};
    return kWords[size_t(refusal)];
}

bool session_address_fits(const Session& session, const Host& host, const IpAddress& peer) {
    return host.has_address(peer) || same_network(session.address, peer);
}

Refusal check_token(const Session& session, TokenKind kind, std::string_view id, int64_t now,
                    const SessionLimits& limits) {
    const std::string& expected = session.hashes[size_t(kind)];
    const bool fits = equal_constant_time(sha256(id), expected) && !expected.empty();
    if (!fits) return Refusal::kUnknown;
    if (session.phase == BootPhase::kClosed)
        return kind == TokenKind::kReport ? Refusal::kReplayed : Refusal::kClosed;
    if (now >= session.expires) return Refusal::kExpired;
    if (session.uses >= limits.max_uses) return Refusal::kWorn;
    if (kind == TokenKind::kStage2 && session.phase > BootPhase::kStage2) return Refusal::kPassed;
    return Refusal::kNone;
}

void use_token(Session* session, TokenKind kind, int64_t now, const SessionLimits& limits) {
    ++session->uses;
    BootPhase to = session->phase;
    if (kind == TokenKind::kStage2) to = BootPhase::kStage2;
    if (kind == TokenKind::kStage3) to = BootPhase::kStage3;
    if (to <= session->phase) return;
    session->phase = to;
    session->expires = std::min(now + limits.lifetime, session->created + limits.max_lifetime);
}

ReportOutcome take_report(Session* session, bool says_success) {
    ReportOutcome outcome;
    const int64_t bit = int64_t(1) << int(session->phase);
    if (says_success && (session->successes & bit)) outcome.refusal = Refusal::kReplayed;
    if (session->reports >= kMaxReports) outcome.refusal = Refusal::kWorn;
    if (outcome.refusal != Refusal::kNone) return outcome;
    ++session->reports;
    if (!says_success) return outcome;
    session->successes |= bit;
    const bool last = session->phase >= session->last_phase;
    outcome.success = last || session->phase == BootPhase::kStage1;
    outcome.early = !last;
    if (last) session->phase = BootPhase::kClosed;
    return outcome;
}

std::string session_status(const Session& session, int64_t now) {
    if (session.created == 0) return "never";
    const bool done = session.phase == BootPhase::kClosed ||
                      (session.phase == BootPhase::kStage1 && session.successes != 0);
    if (done) return "online";
    if (!session.message.empty() && session.message != "success")
        return session.code.empty() ? "failed" : "failed " + session.code;
    if (now >= session.expires) return "lost";
    return strf("stage%d", int(session.phase) + 1);
}

}  // namespace planetbox
