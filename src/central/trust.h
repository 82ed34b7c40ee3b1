// The keys that a fleet hangs on (DESIGN §7): one root CA, a server certificate of either kind, and
// the key that signs what nodes act on.
//
// The root is made once and never replaced: every medium in the field trusts it by its hash.  It is
// written into a directory of its own and renamed into place, so it exists whole or not at all.
// Server certificates are cheap: whatever is wrong with one (it runs out, other names, a damaged
// file, another CA), a new one is issued and the reason said.  They are replaced file by file, each
// in one step; should a crash fall between key and certificate, the next start sees that they do
// not fit and issues again.
//
// root.key may be taken away to a safe place.  Everything then works until a server certificate
// runs out, and the summary says when that is.
//
// Called by `up`, at start, on SIGHUP and by its hourly timer.  Making the CA takes 1-3 s (RSA
// 3072), a server certificate 0.1-1 s; this blocks, which a supervisor can afford.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "central/state_dir.h"
#include "crypto/ca.h"

namespace planetbox {

inline constexpr int kServerCertDays = 397;
// A certificate is renewed when less than this part of its life is left.
inline constexpr int kRenewalPart = 3;
// RSA certificates begin in 2000 for the sake of iPXE's clock (crypto/ca.h), so their life cannot
// be counted from not_before; both kinds are counted as kServerCertDays long.
inline constexpr std::chrono::seconds kServerCertLife = std::chrono::hours(24) * kServerCertDays;

// Why a server certificate must be issued; empty: keep the present one.  Pure, for tests.
// `names` empty: any names will do.
std::string reason_to_issue(const CertInfo& present, const std::vector<std::string>& names,
                            WallTime now);

// Complains about a root that no machine can accept now; the message says what to do.  Pure.
Status judge_root(const CertInfo& root, const std::string& path, WallTime now);

struct TrustSummary {
    CertInfo root;
    WallTime servers_end;             // the earlier not_after of the two server certificates
    std::vector<std::string> names;   // of the server certificates, the first is their CN
    bool created = false;             // the root is new
    bool root_key_here = true;        // false: taken away
    std::vector<std::string> issued;  // "rsa: it runs out on 2027-…": what was issued and why
    std::vector<std::string> warnings;
};

class Trust {
public:
    // `progress` receives a line before each step that takes a while.
    using Progress = std::function<void(std::string_view)>;
    Trust(const StateDir& state, const Clock& clock, Progress progress);

    // Makes what is missing, issues what must be, changes nothing else.  `names` empty: keep the
    // present certificates' names; without any, kInvalid.  `force`: issue both server certificates
    // anyway.
    Result<TrustSummary> ensure(const std::vector<std::string>& names, bool force = false);

private:
    Result<CertInfo> ensure_root(TrustSummary& summary);
    Status make_root();
    Status ensure_signing_key();
    Status ensure_servers(const std::vector<std::string>& names, bool force, TrustSummary& summary);
    Status issue_server(KeyKind kind, const std::vector<std::string>& names);
    Result<CertInfo> present_server(const char* kind);

    const StateDir& state_;
    const Clock& clock_;
    Progress progress_;
    CertAndKey root_;  // key_pem empty when it was taken away
};

// The names of the present server certificates; empty when there are none.
std::vector<std::string> present_server_names(const StateDir& state);

// "1A:2B:…" is how openssl and browsers show a fingerprint.
std::string colon_fingerprint(std::string_view sha256_hex);

}  // namespace planetbox
