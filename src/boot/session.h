// The four ids of a boot: what they open, for whom, for how long.
//
// Stage 1 mints a set: one id each for stage 2, stage 3, the report and the extensions.  The
// machine gets them inside URLs; we keep SHA-256 of each, so that a copied database opens nothing.
// The rules here are pure functions on a Session; boot_store.h keeps it, and every change is
// committed before the answer that depends on it leaves (store/group_commit.h).
//
// The machine's own retries decide what "single use" can mean.  epoxy_client repeats a whole stage,
// POST included, every minute for six hours when a download or a command failed; an id that died at
// its first use would strand the machine.  So a set moves forward only, and an id is dead once the
// boot has passed it:
//
//     phase      stage2   stage3   extension   report
//     stage1     yes      yes      yes         yes       (a sequence may skip stage 2)
//     stage2     yes      yes      yes         yes       stage 2 asked for; asking again is a retry
//     stage3     no       yes      yes         yes       stage 3 asked for; stage 2's id is dead
//     closed     no       no       no          no        the last stage has reported success
//
// - "message=success" closes the set in the sequence's last phase.  Earlier, it is taken once a
// phase and
//   closes nothing: a stage that starts the next kernel in the background reports success before
//   the next stage asks, and must not kill it.  Said before any stage was asked for it counts as a
//   full success (what booted needs no stages), said between stages it does not.
// - A report that was taken is not taken again: success once a phase; errors at most kMaxReports a
// set.
// - Every stage 1 of the host replaces the set, whoever asks: of concurrent ones the last committed
// is valid.
// - Expiry slides: `lifetime` from each step forward, never beyond `max_lifetime` from stage 1. The
// default of
//   7 hours is epoxy_client's 6 hours and a slow start.
// - Address: one of the host's own addresses, or the one that asked for stage 1 (for IPv6 its /64,
// because
//   privacy addresses change between one kernel and the next).
// - Stage 2 and 3 answer from the sequence that stage 1 chose, so clearing `update` in between
// changes nothing
//   for a boot under way.
//
// An id that does not fit is 403 whatever the reason; the reason goes to metrics and to the host's
// log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "boot/host.h"
#include "net/address.h"

namespace planetbox {

enum class BootPhase { kStage1, kStage2, kStage3, kClosed };
enum class TokenKind { kStage2, kStage3, kReport, kExtension };
inline constexpr size_t kTokenKinds = 4;

struct SessionLimits {
    int64_t lifetime = 7 * 3600;       // seconds
    int64_t max_lifetime = 24 * 3600;  // seconds
    int64_t max_uses = 1000;           // of all ids of a set together
};
inline constexpr int kMaxReports = 500;

struct Session {
    int64_t node_id = 0;
    std::string hashes[kTokenKinds];            // 32 raw bytes each, by TokenKind
    std::string address;                        // who asked for stage 1
    bool update = false;                        // the sequence that stage 1 chose
    BootPhase last_phase = BootPhase::kStage3;  // of the sequence
    BootPhase phase = BootPhase::kStage1;
    int64_t created = 0, expires = 0;  // Unix seconds
    int64_t uses = 0;
    int64_t reports = 0;
    int64_t successes = 0;  // bit N: success was reported in phase N
    std::string message;    // the last report's
    std::string code;       // and its failure code
};

// What the machine is given; never stored.
struct SessionIds {
    std::string id[kTokenKinds];
    const std::string& operator[](TokenKind kind) const { return id[size_t(kind)]; }
};

// Fills a fresh set for stage 1.
SessionIds mint_session(Session* session, const IpAddress& peer, int64_t now,
                        const SessionLimits& limits);

enum class Refusal { kNone, kAddress, kUnknown, kExpired, kClosed, kPassed, kWorn, kReplayed };
// "address", "unknown", …: a metrics label.
std::string_view refusal_name(Refusal refusal);
// The same in words, for the host's log.
std::string_view refusal_words(Refusal refusal);

bool session_address_fits(const Session& session, const Host& host, const IpAddress& peer);

// May this id be used for this, now?  Takes the same time for every wrong id.
Refusal check_token(const Session& session, TokenKind kind, std::string_view id, int64_t now,
                    const SessionLimits& limits);
// Counts the use and moves the phase.  Call after check_token said kNone.
void use_token(Session* session, TokenKind kind, int64_t now, const SessionLimits& limits);

struct ReportOutcome {
    Refusal refusal = Refusal::kNone;
    bool success = false;  // the host's boot counts as done
    bool early = false;    // success of a stage that is not the last
};
ReportOutcome take_report(Session* session, bool says_success);

// "stage1", "stage2", "stage3", "online", "failed B09": for tables.
std::string session_status(const Session& session, int64_t now);

}  // namespace planetbox
