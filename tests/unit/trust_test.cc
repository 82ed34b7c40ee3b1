#include "central/trust.h"

#include <sys/stat.h>

#include "base/strings.h"
#include "crypto/ca_check.h"
#include "sys/files.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

constexpr int64_t kNow = 1'790'000'000;  // 2026-09-21

CertInfo leaf(int64_t days_left, std::vector<std::string> names = {"a.example"}) {
    CertInfo info;
    info.names = std::move(names);
    info.not_before = from_unix_seconds(kNow - 86400);
    info.not_after = from_unix_seconds(kNow + days_left * 86400);
    return info;
}

std::string reason(const CertInfo& info, std::vector<std::string> names = {}) {
    return reason_to_issue(info, names, from_unix_seconds(kNow));
}

// One state for the tests that need real keys: RSA takes its time under sanitizers.
struct Fixture {
    Fixture() : tmp(*TempDir::create()), state(tmp.path() + "/s"), clock(kNow) {
        REQUIRE(prepare_state_dir(state, nullptr));
    }
    Result<TrustSummary> ensure(std::vector<std::string> names = {}, bool force = false) {
        return Trust(state, clock, [](std::string_view) {}).ensure(names, force);
    }
    std::string read(const std::string& path) { return read_file(path, 1 << 20).value_or(""); }
    TempDir tmp;
    StateDir state;
    FakeClock clock;
};

}  // namespace

TEST_CASE("a certificate is renewed at a third of its life, not before, and never too late") {
    CHECK(reason(leaf(396)) == "");
    CHECK(reason(leaf(133)) == "");
    CHECK(reason(leaf(132)).starts_with("it runs out on "));
    CHECK(reason(leaf(0)).starts_with("it ran out on "));
    CHECK(reason(leaf(-5)).starts_with("it ran out on "));
}

TEST_CASE("names: order does not matter, one more or less does") {
    CHECK(reason(leaf(396, {"a", "b"}), {"b", "a"}) == "");
    CHECK(reason(leaf(396, {"a", "b"}), {"a"}) == "the names changed from a, b to a");
    CHECK(reason(leaf(396, {"a"}), {"a", "b"}) == "the names changed from a to a, b");
    CHECK(reason(leaf(396, {"a"}), {}) == "");
}

TEST_CASE("certificates issued under a wrong clock are seen once it is right") {
    CertInfo early = leaf(396);
    early.not_before = from_unix_seconds(kNow + 3 * 86400);
    CHECK(reason(early).starts_with("it is valid only from"));
    CHECK(reason(leaf(5000)).find("while the clock was wrong") != std::string::npos);
}

TEST_CASE("a root that nobody can accept is explained") {
    CertInfo root = leaf(7000);
    root.is_ca = true;
    WallTime now = from_unix_seconds(kNow);
    CHECK(judge_root(root, "root.crt", now));
    Status late = judge_root(root, "root.crt", now + std::chrono::hours(24 * 7001));
    REQUIRE_FALSE(late);
    CHECK(late.error().code() == Code::kExpired);
    CHECK(late.error().message().find("new media") != std::string::npos);
    Status early = judge_root(root, "root.crt", now - std::chrono::hours(48));
    REQUIRE_FALSE(early);
    CHECK(early.error().message().find("set the clock") != std::string::npos);
    root.is_ca = false;
    CHECK_FALSE(judge_root(root, "root.crt", now));
}

TEST_CASE("fingerprints look as openssl shows them") {
    CHECK(colon_fingerprint("0a1bff") == "0A:1B:FF");
}

TEST_CASE("life of a state: made, kept, renewed, damaged, mended") {
    Fixture f;
    CHECK_FALSE(f.ensure());  // no names known
    Result<TrustSummary> first = f.ensure({"boot.example", "10.0.2.2"});
    REQUIRE_MESSAGE(first, first.error().message());
    const std::string root = f.read(f.state.ca_cert());
    std::string rsa = f.read(f.state.server_cert("rsa"));
    CHECK(first->names.front() == "boot.example");
    CHECK(rsa.ends_with(root));  // iPXE wants the root in the chain
    for (const char* kind : {"rsa", "ecdsa"})
        CHECK(check_issued_by({f.read(f.state.server_cert(kind)), f.read(f.state.server_key(kind))},
                              root));

    SUBCASE("a second run keeps everything") {
        Result<TrustSummary> again = f.ensure();
        REQUIRE(again);
        CHECK(again->issued.empty());
        CHECK_FALSE(again->created);
        CHECK(f.read(f.state.server_cert("rsa")) == rsa);
        CHECK(again->names == first->names);
    }
    SUBCASE("time passes: both are issued anew, the root stays") {
        f.clock.advance(std::chrono::hours(24 * 300));
        Result<TrustSummary> again = f.ensure();
        REQUIRE(again);
        CHECK(again->issued.size() == 2);
        CHECK(f.read(f.state.server_cert("rsa")) != rsa);
        CHECK(f.read(f.state.ca_cert()) == root);
        CHECK(f.ensure()->issued.empty());
    }
    SUBCASE("a damaged or foreign server key is replaced and the reason said") {
        REQUIRE(write_file_atomic(f.state.server_key("ecdsa"), "garbage", 0600));
        Result<TrustSummary> again = f.ensure();
        REQUIRE(again);
        REQUIRE(again->issued.size() == 1);
        CHECK(again->issued[0].find("ecdsa: private key") == 0);
        REQUIRE(write_file_atomic(f.state.server_key("ecdsa"), f.read(f.state.server_key("rsa")),
                                  0600));
        CHECK(f.ensure()->issued.size() == 1);
        CHECK(f.ensure()->issued.empty());
    }
    SUBCASE("a damaged root is explained and nothing is overwritten") {
        REQUIRE(write_file_atomic(f.state.ca_cert(), "garbage"));
        Result<TrustSummary> again = f.ensure();
        REQUIRE_FALSE(again);
        CHECK(again.error().message().find("restore ca/ from a backup") != std::string::npos);
        CHECK(f.read(f.state.ca_cert()) == "garbage");
    }
    SUBCASE("a lost ca/ is not silently replaced by another one") {
        REQUIRE(remove_tree(f.state.ca_dir()));
        Result<TrustSummary> again = f.ensure();
        REQUIRE_FALSE(again);
        CHECK(again.error().message().find("restore ca/ from a backup") != std::string::npos);
        CHECK_FALSE(file_exists(f.state.ca_dir()));
    }
    SUBCASE("the root key in a safe: all goes on until a certificate is due") {
        const std::string key = f.read(f.state.ca_key());
        REQUIRE(remove_file(f.state.ca_key()));
        Result<TrustSummary> again = f.ensure();
        REQUIRE(again);
        CHECK_FALSE(again->root_key_here);
        CHECK(again->warnings.empty());
        CHECK_FALSE(f.ensure({}, true));
        f.clock.advance(std::chrono::hours(24 * 300));
        again = f.ensure();
        REQUIRE(again);
        CHECK(again->warnings.size() == 2);
        CHECK(again->issued.empty());
        f.clock.advance(std::chrono::hours(24 * 100));
        CHECK_FALSE(f.ensure());
        REQUIRE(write_file_atomic(f.state.ca_key(), key, 0600));
        CHECK(f.ensure()->issued.size() == 2);
    }
    SUBCASE("the signing key: a lost public half is made again, a lost private one is not") {
        const std::string shown = f.read(f.state.signing_public_key());
        REQUIRE(remove_file(f.state.signing_public_key()));
        REQUIRE(f.ensure());
        CHECK(f.read(f.state.signing_public_key()) == shown);
        REQUIRE(remove_file(f.state.signing_key()));
        CHECK_FALSE(f.ensure());
    }
}
