#include "central/trust.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/strings.h"
#include "crypto/ca_check.h"
#include "crypto/sign.h"
#include "sys/files.h"

namespace planetbox {

namespace {

constexpr size_t kPemLimit = 64 << 10;
constexpr std::chrono::hours kDay(24);

const char* kind_word(KeyKind kind) { return kind == KeyKind::kRsa2048 ? "rsa" : "ecdsa"; }

std::string day(WallTime time) { return rfc3339(time).substr(0, 10); }

bool is_missing(const Error& error) { return error.code() == Code::kNotFound; }

std::string sorted_list(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    return join(names, ", ");
}

Status sync_directory(const std::string& path) {
    UniqueFd fd = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) < 0) return fail_errno(path);
    return {};
}

}  // namespace

std::string reason_to_issue(const CertInfo& present, const std::vector<std::string>& names,
                            WallTime now) {
    if (!names.empty() && sorted_list(present.names) != sorted_list(names))
        return str_cat("the names changed from ", sorted_list(present.names), " to ",
                       sorted_list(names));
    if (now >= present.not_after) return str_cat("it ran out on ", day(present.not_after));
    if (present.not_after - now < kServerCertLife / kRenewalPart)
        return str_cat("it runs out on ", day(present.not_after));
    // A clock that was wrong at the issue and has been set right since.
    if (now + kDay < present.not_before)
        return str_cat("it is valid only from ", day(present.not_before));
    if (present.not_after - now > kServerCertLife + kDay * 2)
        return str_cat("it was issued while the clock was wrong (it would last until ",
                       day(present.not_after), ")");
    return {};
}

Status judge_root(const CertInfo& root, const std::string& path, WallTime now) {
    if (!root.is_ca)
        return fail(Code::kInvalid,
                    str_cat(path, ": is not the certificate of a CA; restore ca/ from a backup"));
    if (now >= root.not_after)
        return fail(
            Code::kExpired,
            str_cat(path, ": the root CA ran out on ", day(root.not_after), " and it is ", day(now),
                    " by this machine's clock. If the clock is right, start a "
                    "new state and make new media"));
    if (now < root.not_before)
        return fail(Code::kInvalid,
                    str_cat(path, ": the root CA is valid from ", day(root.not_before),
                            " and this machine's clock says ", day(now), "; set the clock"));
    return {};
}

Trust::Trust(const StateDir& state, const Clock& clock, Progress progress)
    : state_(state), clock_(clock), progress_(std::move(progress)) {}

Result<TrustSummary> Trust::ensure(const std::vector<std::string>& names, bool force) {
    ActAsOwner acting = TRY(ActAsOwner::of(state_));
    TrustSummary summary;
    summary.root = TRY_CONTEXT(ensure_root(summary), "certificate authority");
    TRY_CONTEXT(ensure_signing_key(), "signing key");
    TRY_CONTEXT(ensure_servers(names, force, summary), "server certificates");
    if (summary.root.not_after - clock_.wall() < kDay * 365)
        summary.warnings.push_back(str_cat("the root CA runs out on ", day(summary.root.not_after),
                                           "; plan a new state and new media before that day"));
    root_ = {};  // the key stays in memory no longer than it is used
    return summary;
}

Status Trust::make_root() {
    progress_("making the root CA (RSA 3072; a few seconds)");
    CertAndKey root = TRY(create_ca({}, clock_.wall()));
    std::string fresh = state_.path() + "/ca.new";
    TRY(remove_tree(fresh));
    auto write = [&]() -> Status {
        if (::mkdir(fresh.c_str(), 0700) < 0) return fail_errno(fresh);
        TRY(write_file_atomic(fresh + "/root.key", root.key_pem, 0600));
        TRY(write_file_atomic(fresh + "/root.crt", root.cert_pem, 0644));
        if (::rename(fresh.c_str(), state_.ca_dir().c_str()) < 0)
            return fail_errno(state_.ca_dir());
        return sync_directory(state_.path());
    };
    Status written = write();
    if (!written) (void)remove_tree(fresh);
    return written;
}

Result<CertInfo> Trust::ensure_root(TrustSummary& summary) {
    if (!file_exists(state_.ca_dir())) {
        // Media in the field would trust nothing of a new root, so it is never made beside the
        // remains of an old state.
        if (file_exists(state_.server_cert("rsa")) || file_exists(state_.signing_key()))
            return fail(Code::kInvalid,
                        str_cat(state_.ca_dir(), ": is gone, but ", state_.path(),
                                " is in use; restore ca/ from a backup (a new CA would "
                                "make every medium useless)"));
        TRY(make_root());
        summary.created = true;
    }
    Result<std::string> cert = read_file(state_.ca_cert(), kPemLimit);
    if (!cert)
        return fail(std::move(cert.error())
                        .context("read the root's certificate (restore ca/ from a backup)"));
    Result<CertInfo> info = inspect_cert(*cert);
    if (!info)
        return fail(Code::kInvalid,
                    str_cat(state_.ca_cert(), ": is damaged (", info.error().message(),
                            "); restore ca/ from a backup"));
    root_.cert_pem = std::move(*cert);
    TRY(judge_root(*info, state_.ca_cert(), clock_.wall()));
    Result<std::string> key = read_file(state_.ca_key(), kPemLimit);
    if (!key && !is_missing(key.error())) return std::unexpected(std::move(key.error()));
    summary.root_key_here = key.has_value();
    if (!key) return info;
    root_.key_pem = std::move(*key);
    if (Status fits = check_key_fits(root_); !fits)
        return fail(
            Code::kInvalid,
            str_cat(state_.ca_key(), ": is damaged (", fits.error().message(),
                    "); restore it from a backup, or move it away to go on without renewal"));
    return info;
}

Status Trust::ensure_signing_key() {
    Result<std::string> pem = read_file(state_.signing_key(), kPemLimit);
    if (!pem && !is_missing(pem.error())) return std::unexpected(std::move(pem.error()));
    if (!pem) {
        if (file_exists(state_.signing_public_key()))
            return fail(Code::kInvalid, str_cat(state_.signing_key(),
                                                ": is gone while its public half is here; "
                                                "restore keys/ from a backup"));
        SigningKey fresh = TRY(SigningKey::generate());
        TRY(write_file_atomic(state_.signing_key(), fresh.private_pem(), 0600));
        return write_file_atomic(state_.signing_public_key(), fresh.public_pem(), 0644);
    }
    Result<SigningKey> key = SigningKey::from_pem(*pem);
    if (!key)
        return fail(Code::kInvalid,
                    str_cat(state_.signing_key(), ": is damaged (", key.error().message(),
                            "); restore keys/ from a backup"));
    Result<std::string> shown = read_file(state_.signing_public_key(), kPemLimit);
    if (shown && *shown == key->public_pem()) return {};
    return write_file_atomic(state_.signing_public_key(), key->public_pem(), 0644);
}

// What the files of one kind hold, as long as they are of use.
Result<CertInfo> Trust::present_server(const char* kind) {
    CertAndKey pair;
    pair.cert_pem = TRY(read_file(state_.server_cert(kind), kPemLimit));
    pair.key_pem = TRY(read_file(state_.server_key(kind), kPemLimit));
    CertInfo info = TRY_CONTEXT(inspect_cert(pair.cert_pem), "it is damaged");
    TRY(check_issued_by(pair, root_.cert_pem));
    return info;
}

Status Trust::issue_server(KeyKind kind, const std::vector<std::string>& names) {
    const char* word = kind_word(kind);
    ServerCertRequest request;
    request.kind = kind;
    request.names = names;
    request.days = kServerCertDays;
    CertAndKey fresh = TRY(issue_server_cert(root_, request, clock_.wall()));
    // iPXE wants the root in the chain.
    std::string chain = fresh.cert_pem + root_.cert_pem;
    TRY(write_file_atomic(state_.server_key(word), fresh.key_pem, 0600));
    return write_file_atomic(state_.server_cert(word), chain, 0644);
}

Status Trust::ensure_servers(const std::vector<std::string>& names, bool force,
                             TrustSummary& summary) {
    const WallTime now = clock_.wall();
    std::vector<std::string> wanted = names.empty() ? present_server_names(state_) : names;
    summary.names = wanted;
    summary.servers_end = summary.root.not_after;
    for (KeyKind kind : {KeyKind::kEcdsaP256, KeyKind::kRsa2048}) {
        const char* word = kind_word(kind);
        Result<CertInfo> present = present_server(word);
        std::string reason;
        if (!present)
            reason = is_missing(present.error()) ? "there was none" : present.error().message();
        else
            reason = reason_to_issue(*present, wanted, now);
        if (reason.empty() && force) reason = "as asked";
        if (reason.empty()) {
            summary.servers_end = std::min(summary.servers_end, present->not_after);
            continue;
        }
        if (wanted.empty())
            return fail(Code::kInvalid, "no names are known; give --name HOST,IP...");
        if (!summary.root_key_here) {
            std::string sentence =
                str_cat(word, " should be issued anew (", reason, "), and ", state_.ca_key(),
                        " is not here; bring it back for that time");
            if (force || !present || now >= present->not_after)
                return fail(Code::kNotFound, std::move(sentence));
            summary.warnings.push_back(std::move(sentence));
            summary.servers_end = std::min(summary.servers_end, present->not_after);
            continue;
        }
        progress_(str_cat("issuing the ", word, " server certificate for ", join(wanted, ", ")));
        TRY_CONTEXT(issue_server(kind, wanted), word);
        summary.issued.push_back(str_cat(word, ": ", reason));
        summary.servers_end = std::min(summary.servers_end, now + kServerCertLife);
    }
    return {};
}

std::vector<std::string> present_server_names(const StateDir& state) {
    for (const char* kind : {"ecdsa", "rsa"}) {
        Result<std::string> pem = read_file(state.server_cert(kind), kPemLimit);
        if (!pem) continue;
        Result<CertInfo> info = inspect_cert(*pem);
        if (!info || info->names.empty()) continue;
        // subjectAltName keeps no order to rely on; the common name says which was the first.
        auto first = std::find_if(info->names.begin(), info->names.end(),
                                  [&](const auto& name) { return info->subject == "CN=" + name; });
        if (first != info->names.end()) std::rotate(info->names.begin(), first, first + 1);
        return info->names;
    }
    return {};
}

std::string colon_fingerprint(std::string_view sha256_hex) {
    std::string out;
    for (size_t i = 0; i < sha256_hex.size(); ++i) {
        if (i > 0 && i % 2 == 0) out += ':';
        char c = sha256_hex[i];
        out += c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return out;
}

}  // namespace planetbox
