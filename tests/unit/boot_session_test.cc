// The rules of one-time ids: which of them opens what, when, and for how long.
#include "boot/session.h"

#include <doctest/doctest.h>

#include <string>

using namespace planetbox;

namespace {

constexpr int64_t kNow = 1'800'000'000;

struct Boot {
    Session session;
    SessionIds ids;
    SessionLimits limits;
    explicit Boot(BootPhase last = BootPhase::kStage3, const char* address = "192.0.2.5") {
        session.last_phase = last;
        ids = mint_session(&session, *IpAddress::parse(address), kNow, limits);
    }
    Refusal use(TokenKind kind, int64_t at = kNow) {
        const Refusal refusal = check_token(session, kind, ids[kind], at, limits);
        if (refusal == Refusal::kNone) use_token(&session, kind, at, limits);
        return refusal;
    }
    ReportOutcome report(bool success) {
        ReportOutcome outcome;
        outcome.refusal = use(TokenKind::kReport);
        return outcome.refusal == Refusal::kNone ? take_report(&session, success) : outcome;
    }
};

}  // namespace

TEST_CASE("an id opens its own kind only, and no id but it does") {
    Boot boot;
    for (TokenKind kind :
         {TokenKind::kStage2, TokenKind::kStage3, TokenKind::kReport, TokenKind::kExtension})
        for (TokenKind other :
             {TokenKind::kStage2, TokenKind::kStage3, TokenKind::kReport, TokenKind::kExtension})
            CHECK((check_token(boot.session, kind, boot.ids[other], kNow, boot.limits) ==
                   Refusal::kNone) == (kind == other));
    for (const char* wrong : {"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA"})
        CHECK(check_token(boot.session, TokenKind::kStage2, wrong, kNow, boot.limits) ==
              Refusal::kUnknown);
}

TEST_CASE("a revoked session, whose hashes are empty, opens nothing") {
    Session session;
    CHECK(check_token(session, TokenKind::kStage2, "", kNow, {}) == Refusal::kUnknown);
}

TEST_CASE("an id keeps working for retries of its stage and dies when the boot has passed it") {
    Boot boot;
    CHECK(boot.use(TokenKind::kStage2) == Refusal::kNone);
    CHECK(boot.use(TokenKind::kStage2) == Refusal::kNone);
    CHECK(boot.use(TokenKind::kStage3) == Refusal::kNone);
    CHECK(boot.use(TokenKind::kStage2) == Refusal::kPassed);
    CHECK(boot.use(TokenKind::kStage3) == Refusal::kNone);
}

TEST_CASE("a sequence may skip stage 2 but never go back to it") {
    Boot boot;
    CHECK(boot.use(TokenKind::kStage3) == Refusal::kNone);
    CHECK(boot.use(TokenKind::kStage2) == Refusal::kPassed);
}

TEST_CASE("success of the last stage closes the set") {
    Boot boot;
    (void)boot.use(TokenKind::kStage2);
    (void)boot.use(TokenKind::kStage3);
    const ReportOutcome outcome = boot.report(true);
    CHECK(outcome.success);
    CHECK_FALSE(outcome.early);
    CHECK(boot.report(true).refusal == Refusal::kReplayed);
    CHECK(boot.report(false).refusal == Refusal::kReplayed);
    CHECK(boot.use(TokenKind::kStage3) == Refusal::kClosed);
    CHECK(boot.use(TokenKind::kExtension) == Refusal::kClosed);
    CHECK(session_status(boot.session, kNow) == "online");
}

TEST_CASE("success between stages is taken once and closes nothing") {
    Boot boot;
    (void)boot.use(TokenKind::kStage2);
    const ReportOutcome outcome = boot.report(true);
    CHECK(outcome.refusal == Refusal::kNone);
    CHECK_FALSE(outcome.success);
    CHECK(outcome.early);
    CHECK(boot.report(true).refusal == Refusal::kReplayed);
    CHECK(boot.use(TokenKind::kStage3) == Refusal::kNone);
    CHECK(boot.report(true).success);
}

TEST_CASE("a sequence that ends with stage 2 ends with its success") {
    Boot boot(BootPhase::kStage2);
    (void)boot.use(TokenKind::kStage2);
    CHECK(boot.report(true).success);
    CHECK(boot.use(TokenKind::kStage2) == Refusal::kClosed);
}

TEST_CASE("what booted without asking for a stage may say so once") {
    Boot boot;
    CHECK(boot.report(true).success);
    CHECK(boot.report(true).refusal == Refusal::kReplayed);
    CHECK(session_status(boot.session, kNow) == "online");
    CHECK(boot.use(TokenKind::kStage2) == Refusal::kNone);  // it was a background start after all
    CHECK(session_status(boot.session, kNow) == "stage2");
}

TEST_CASE("reports of errors are bounded, and so are uses") {
    Boot boot;
    int taken = 0;
    while (boot.report(false).refusal == Refusal::kNone && taken < 10'000) ++taken;
    CHECK(taken == kMaxReports);
    Boot other;
    int uses = 0;
    while (other.use(TokenKind::kStage2) == Refusal::kNone && uses < 10'000) ++uses;
    CHECK(uses == other.limits.max_uses);
}

TEST_CASE("expiry slides with each step forward, retries do not move it, and it has an end") {
    Boot boot;
    const int64_t life = boot.limits.lifetime;
    CHECK(boot.use(TokenKind::kStage2, kNow + life - 1) == Refusal::kNone);
    CHECK(boot.use(TokenKind::kStage2, kNow + life + 5) == Refusal::kNone);
    CHECK(boot.use(TokenKind::kStage2, kNow + 2 * life - 1) == Refusal::kExpired);
    Boot late;
    late.session.created = kNow - late.limits.max_lifetime + 10;
    CHECK(late.use(TokenKind::kStage3, kNow) == Refusal::kNone);
    CHECK(late.use(TokenKind::kStage3, kNow + 11) == Refusal::kExpired);
    CHECK(session_status(late.session, kNow + 11) == "lost");
}

TEST_CASE("addresses: the host's own, or the one of stage 1, for IPv6 its /64") {
    Boot four, six(BootPhase::kStage3, "2001:db8:1:2::5");
    Host host;
    host.ipv4 = "198.51.100.1";
    const auto fits = [&](const Boot& boot, const char* peer) {
        return session_address_fits(boot.session, host, *IpAddress::parse(peer));
    };
    CHECK(fits(four, "192.0.2.5"));
    CHECK(fits(four, "198.51.100.1"));
    CHECK_FALSE(fits(four, "192.0.2.6"));
    CHECK_FALSE(fits(four, "2001:db8:1:2::5"));
    CHECK(fits(six, "2001:db8:1:2:aaaa::1"));
    CHECK_FALSE(fits(six, "2001:db8:1:3::5"));
}

TEST_CASE("the session holds no id") {
    Boot boot;
    for (const std::string& id : boot.ids.id) {
        CHECK(id.size() == 27);
        for (const std::string& hash : boot.session.hashes) CHECK(hash.find(id) == hash.npos);
    }
}
