#include "media_state.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/strings.h"
#include "boot/boot_store.h"
#include "central/state_dir.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "state.h"
#include "sys/files.h"

namespace planetbox {
namespace {

// Node keys are kept as hashes only, so a medium could not be made a second time from the state
// alone. Keys made here are therefore derived from a secret of the state, the node's number and the
// second of their issue, all of which stay.
Result<std::string> media_secret(const StateDir& state) {
    std::string path = state.keys_dir() + "/media.key";
    auto secret = read_file(path, 4096);
    if (!secret && secret.error().code() == Code::kNotFound) {
        TRY(write_file_atomic(path, random_bytes(32), 0600));
        secret = read_file(path, 4096);
    }
    if (!secret) return fail(std::move(secret.error()));
    if (secret->size() != 32)
        return fail(Code::kInvalid, path + ": is not 32 bytes; it is damaged");
    return secret;
}

std::string derive_key(const std::string& secret, int64_t node_id, int64_t created) {
    std::string message = strf("node key %lld of %lld", static_cast<long long>(node_id),
                               static_cast<long long>(created));
    return base64url(as_bytes(hmac_sha256(secret, message)));
}

struct Issuer {
    BootStore& store;
    std::string secret;
    int64_t now;
    int64_t grace;
    bool new_key;
};

// The node's key and when it was issued; a new one if it has none or one was asked for.
Result<std::pair<std::string, int64_t>> node_key(Issuer& issuer, const Host& host) {
    std::vector<NodeKey> keys = TRY(issuer.store.keys(host.id));
    const NodeKey* newest = keys.empty() ? nullptr : &keys.back();
    if (newest && newest->expires == 0 && !issuer.new_key) {
        std::string key = derive_key(issuer.secret, host.id, newest->created);
        if (equal_constant_time(sha256(key), newest->hash)) return std::pair(key, newest->created);
        return fail(Code::kConflict,
                    host.hostname +
                        ": its key was not made here, and only its hash is kept; --new-key "
                        "gives it a new one, and the old one stays valid for --grace");
    }
    // Two keys of one second would be one key.
    int64_t created = newest ? std::max(issuer.now, newest->created + 1) : issuer.now;
    std::string key = derive_key(issuer.secret, host.id, created);
    TRY(issuer.store.add_key(host.id, key, created, issuer.grace));
    BootEvent event;
    event.at_ms = issuer.now * 1000;
    event.kind = "admin";
    event.detail =
        newest ? "a new node key was issued for a medium" : "a node key was issued for a medium";
    TRY(issuer.store.add_event(host.id, event));
    return std::pair(key, created);
}

// PlanetLab's form of the date.
std::string renewal_date(int64_t created) {
    std::string t = rfc3339(from_unix_seconds(created));  // "2026-11-21T10:12:30Z"
    return str_cat(replace_all(t.substr(0, 10), "-", "/"), " at ", t.substr(11, 5), " +0000");
}

Result<MediumSpec> host_spec(Issuer& issuer, const Host& host, const std::string& server) {
    auto [key, created] = TRY(node_key(issuer, host));
    MediumSpec spec;
    spec.issued = created;
    spec.node.node_id = strf("%lld", static_cast<long long>(host.id));
    spec.node.node_key = key;
    spec.node.key_renewal_date = renewal_date(created);
    spec.node.net_device = host.mac;
    spec.node.ip_method = "dhcp";
    if (std::string v4 = host.epoxy_ipv4(); !v4.empty())
        TRY_CONTEXT(set_plnode_epoxy_ipv4(spec.node, v4), host.hostname);
    if (std::string v6 = host.epoxy_ipv6(); !v6.empty())
        TRY_CONTEXT(set_plnode_epoxy_ipv6(spec.node, v6), host.hostname);
    set_plnode_hostname(spec.node, host.hostname);
    spec.node.boot_server = server;
    return spec;
}

Result<std::vector<Host>> choose_hosts(BootStore& store, const MediaArguments& arguments,
                                       const std::vector<std::string>& names) {
    if (arguments.all) return store.list_hosts();
    std::vector<Host> hosts;
    for (const std::string& name : names) {
        std::string hostname = TRY(normal_hostname(name));
        std::optional<Host> host = TRY(store.find_host(hostname));
        if (!host)
            return fail(Code::kNotFound,
                        str_cat(hostname, ": there is no such host in ", arguments.state,
                                "; `bootadm add` adds one, `bootadm list` shows all"));
        hosts.push_back(std::move(*host));
    }
    return hosts;
}

}  // namespace

Status add_state_nodes(const MediaArguments& arguments, const std::vector<std::string>& names,
                       std::vector<MediumSpec>& specs) {
    StateDir state(arguments.state);
    std::unique_ptr<Database> db = TRY(open_state(arguments.state));
    BootStore store(*db);
    std::string server = arguments.server;
    if (server.empty()) server = TRY(stored_boot_url(*db, arguments.state)).value_or("");
    Issuer issuer{store, TRY(media_secret(state)), unix_seconds(RealClock().wall()),
                  std::chrono::duration_cast<std::chrono::seconds>(arguments.grace).count(),
                  arguments.new_key};
    // All keys or none, and on disk before the first medium that holds one.
    Transaction transaction = TRY(Transaction::begin(*db));
    for (const Host& host : TRY(choose_hosts(store, arguments, names)))
        specs.push_back(TRY(host_spec(issuer, host, server)));
    return transaction.commit();
}

Status find_active_image(const MediaArguments& arguments, std::string* kernel,
                         std::string* initramfs) {
    std::unique_ptr<Database> db = TRY(open_state(arguments.state, StateAccess::kReadOnly));
    BootStore store(*db);
    std::string version = TRY(store.active_version());
    if (version.empty())
        return fail(
            Code::kNotFound,
            "no image is active; `bootadm image add` adds one, or give --kernel and --initramfs");
    std::string directory =
        str_cat(StateDir(arguments.state).images(), "/", version, "/planetbox/");
    if (kernel->empty()) *kernel = directory + "vmlinuz";
    if (initramfs->empty()) *initramfs = directory + "initramfs";
    return {};
}

}  // namespace planetbox
