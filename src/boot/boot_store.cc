#include "boot/boot_store.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "crypto/random.h"

namespace planetbox {
namespace {

constexpr char kSchema[] = R"sql(
CREATE TABLE node (
    id INTEGER PRIMARY KEY,
    hostname TEXT NOT NULL UNIQUE,
    ipv4 TEXT NOT NULL DEFAULT '',
    ipv6 TEXT NOT NULL DEFAULT '',
    mac TEXT NOT NULL DEFAULT '',
    boot_state TEXT NOT NULL DEFAULT 'boot',
    boot_sequence TEXT NOT NULL DEFAULT '{}',
    update_sequence TEXT NOT NULL DEFAULT '{}',
    images_version TEXT NOT NULL DEFAULT 'latest',
    update_enabled INTEGER NOT NULL DEFAULT 0,
    extensions TEXT NOT NULL DEFAULT '[]',
    auth TEXT NOT NULL DEFAULT 'auto',
    ipv4_prefix INTEGER NOT NULL DEFAULT 0,
    ipv4_gateway TEXT NOT NULL DEFAULT '',
    ipv6_prefix INTEGER NOT NULL DEFAULT 0,
    ipv6_gateway TEXT NOT NULL DEFAULT '',
    dns TEXT NOT NULL DEFAULT '',
    collected TEXT NOT NULL DEFAULT '{}',
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    last_report INTEGER NOT NULL DEFAULT 0,
    last_success INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE node_key (
    id INTEGER PRIMARY KEY,
    node_id INTEGER NOT NULL REFERENCES node(id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX node_key_node ON node_key(node_id);
CREATE TABLE boot_session (
    node_id INTEGER PRIMARY KEY REFERENCES node(id) ON DELETE CASCADE,
    hashes BLOB NOT NULL,
    address TEXT NOT NULL,
    updating INTEGER NOT NULL,
    last_phase INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    reports INTEGER NOT NULL,
    successes INTEGER NOT NULL,
    message TEXT NOT NULL,
    code TEXT NOT NULL
) STRICT;
CREATE TABLE boot_event (
    node_id INTEGER NOT NULL REFERENCES node(id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    detail TEXT NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (node_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE image (
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    cmdline TEXT NOT NULL,
    added INTEGER NOT NULL,
    PRIMARY KEY (version, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE image_file (
    version TEXT NOT NULL,
    image TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (version, image, name),
    FOREIGN KEY (version, image) REFERENCES image(version, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TABLE image_activation (
    id INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE boot_extension (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    argv TEXT NOT NULL,
    deadline_ms INTEGER NOT NULL,
    max_age INTEGER NOT NULL,
    secret TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

constexpr Migration kMigrations[] = {{100, kSchema}};

#define HOST_COLUMNS                                                                     \
    "n.id, n.hostname, n.ipv4, n.ipv6, n.mac, n.boot_state, n.boot_sequence, "           \
    "n.update_sequence, n.images_version, n.update_enabled, n.extensions, n.auth, "      \
    "n.ipv4_prefix, n.ipv4_gateway, n.ipv6_prefix, n.ipv6_gateway, n.dns, n.collected, " \
    "n.created, n.modified, n.last_report, n.last_success, coalesce(s.created, 0) "      \
    "FROM node n LEFT JOIN boot_session s ON s.node_id = n.id "

std::string strings_json(const std::vector<std::string>& values) {
    json::Writer writer;
    writer.begin_array();
    for (const std::string& value : values) writer.string(value);
    writer.end_array();
    return writer.take();
}

Result<std::vector<std::string>> parse_strings(const std::string& text) {
    const json::Document document = TRY(json::parse(text));
    std::vector<std::string> values;
    for (json::Value item : document.root().items()) values.emplace_back(item.string_or(""));
    return values;
}

std::string facts_json(const FormFields& facts) {
    json::Writer writer;
    writer.begin_object();
    for (const auto& [name, value] : facts) writer.field(name, value);
    writer.end_object();
    return writer.take();
}

Result<FormFields> parse_facts(const std::string& text) {
    const json::Document document = TRY(json::parse(text));
    FormFields facts;
    for (const auto& [name, value] : document.root().members())
        facts.emplace_back(name, value.string_or(""));
    return facts;
}

Result<Sequence> parse_sequence_text(const std::string& text) {
    if (text == "{}") return Sequence{};
    const json::Document document = TRY(json::parse(text));
    return parse_sequence(document.root());
}

Result<Host> read_host(const Statement& row) {
    Host host;
    host.id = row.int64(0);
    host.hostname = row.text(1);
    host.ipv4 = row.text(2);
    host.ipv6 = row.text(3);
    host.mac = row.text(4);
    host.boot_state = TRY(parse_boot_state(row.text(5)));
    host.boot = TRY(parse_sequence_text(row.text(6)));
    host.update = TRY(parse_sequence_text(row.text(7)));
    host.images_version = row.text(8);
    host.update_enabled = row.int64(9) != 0;
    host.extensions = TRY(parse_strings(row.text(10)));
    host.auth = TRY(parse_auth_policy(row.text(11)));
    host.network.ipv4_prefix = int(row.int64(12));
    host.network.ipv4_gateway = row.text(13);
    host.network.ipv6_prefix = int(row.int64(14));
    host.network.ipv6_gateway = row.text(15);
    for (std::string_view server : split_words(row.text(16))) host.network.dns.emplace_back(server);
    host.collected = TRY(parse_facts(row.text(17)));
    host.created = row.int64(18);
    host.modified = row.int64(19);
    host.last_report = row.int64(20);
    host.last_success = row.int64(21);
    host.last_session = row.int64(22);
    return host;
}

// Binds what an operator sets, from parameter 1 on; returns how many.
Status bind_host(Statement& statement, const Host& host) {
    return statement.bind_all(
        host.hostname, host.ipv4, host.ipv6, host.mac, boot_state_name(host.boot_state),
        sequence_json(host.boot), sequence_json(host.update), host.images_version,
        host.update_enabled, strings_json(host.extensions), auth_policy_name(host.auth),
        host.network.ipv4_prefix, host.network.ipv4_gateway, host.network.ipv6_prefix,
        host.network.ipv6_gateway, join(host.network.dns, " "));
}
constexpr int kHostParameters = 16;

}  // namespace

std::span<const Migration> boot_migrations() { return kMigrations; }

Result<std::optional<Host>> BootStore::find_host(std::string_view hostname) {
    Statement row = TRY(db_.prepare("SELECT " HOST_COLUMNS "WHERE n.hostname = ?"));
    TRY(row.bind(1, hostname));
    if (!TRY(row.step())) return std::optional<Host>();
    return std::optional<Host>(TRY(read_host(row)));
}

Result<std::vector<Host>> BootStore::list_hosts() {
    Statement row = TRY(db_.prepare("SELECT " HOST_COLUMNS "ORDER BY n.hostname"));
    std::vector<Host> hosts;
    while (TRY(row.step())) hosts.push_back(TRY(read_host(row)));
    return hosts;
}

Result<int64_t> BootStore::insert_host(const Host& host, int64_t now) {
    Statement insert = TRY(db_.prepare(
        "INSERT INTO node (hostname, ipv4, ipv6, mac, boot_state, boot_sequence, update_sequence, "
        "images_version, update_enabled, extensions, auth, ipv4_prefix, ipv4_gateway, ipv6_prefix, "
        "ipv6_gateway, dns, created, modified) "
        "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?17)"));
    TRY(bind_host(insert, host));
    TRY(insert.bind(kHostParameters + 1, now));
    Status status = insert.run();
    if (!status && status.error().code() == Code::kExists)
        return fail(Code::kExists, "host " + host.hostname + " exists already");
    if (!status) return fail(std::move(status.error()));
    return db_.last_insert_id();
}

Status BootStore::update_host(const Host& host, int64_t now) {
    Statement update = TRY(db_.prepare(
        "UPDATE node SET hostname=?1, ipv4=?2, ipv6=?3, mac=?4, boot_state=?5, boot_sequence=?6, "
        "update_sequence=?7, images_version=?8, update_enabled=?9, extensions=?10, auth=?11, "
        "ipv4_prefix=?12, ipv4_gateway=?13, ipv6_prefix=?14, ipv6_gateway=?15, dns=?16, "
        "modified=?17 WHERE id=?18"));
    TRY(bind_host(update, host));
    TRY(update.bind(kHostParameters + 1, now));
    TRY(update.bind(kHostParameters + 2, host.id));
    return update.run();
}

Status BootStore::delete_host(int64_t id) {
    Statement statement = TRY(db_.prepare("DELETE FROM node WHERE id = ?"));
    TRY(statement.bind(1, id));
    return statement.run();
}

Status BootStore::set_collected(int64_t id, const FormFields& collected) {
    Statement statement = TRY(db_.prepare("UPDATE node SET collected = ?1 WHERE id = ?2"));
    TRY(statement.bind_all(facts_json(collected), id));
    return statement.run();
}

Status BootStore::set_reported(int64_t id, bool success, int64_t now) {
    Statement statement = TRY(db_.prepare(
        "UPDATE node SET last_report = ?1, last_success = iif(?2, ?1, last_success), "
        "update_enabled = iif(?2, 0, update_enabled), "
        "boot_state = iif(?2 AND boot_state IN ('reinstall', 'upgrade'), 'boot', boot_state) "
        "WHERE id = ?3"));
    TRY(statement.bind_all(now, success, id));
    return statement.run();
}

Result<int64_t> BootStore::data_version() {
    Statement row = TRY(db_.prepare("PRAGMA data_version"));
    TRY(row.step());
    return row.int64(0);
}

Result<std::vector<NodeKey>> BootStore::keys(int64_t node_id) {
    Statement row = TRY(
        db_.prepare("SELECT hash, created, expires FROM node_key WHERE node_id = ? ORDER BY id"));
    TRY(row.bind(1, node_id));
    std::vector<NodeKey> keys;
    while (TRY(row.step())) keys.push_back({row.blob(0), row.int64(1), row.int64(2)});
    return keys;
}

Status BootStore::add_key(int64_t node_id, std::string_view key, int64_t now, int64_t grace) {
    {
        Statement drop = TRY(
            db_.prepare("DELETE FROM node_key WHERE node_id = ?1 AND expires BETWEEN 1 AND ?2"));
        TRY(drop.bind_all(node_id, now));
        TRY(drop.run());
    }
    {
        Statement retire =
            TRY(db_.prepare("UPDATE node_key SET expires = ?2 WHERE node_id = ?1 AND (expires = 0 "
                            "OR expires > ?2)"));
        TRY(retire.bind_all(node_id, now + std::max<int64_t>(grace, 1)));
        TRY(retire.run());
    }
    Statement insert = TRY(db_.prepare(
        "INSERT INTO node_key (node_id, hash, created, expires) VALUES (?1, ?2, ?3, 0)"));
    TRY(insert.bind(1, node_id));
    TRY(insert.bind_blob(2, sha256(key)));
    TRY(insert.bind(3, now));
    return insert.run();
}

std::string make_node_key() { return base64url(as_bytes(random_bytes(32))); }

bool key_fits(const std::vector<NodeKey>& keys, std::string_view key, int64_t now) {
    const std::string hash = sha256(key);
    bool fits = false;
    for (const NodeKey& known : keys) {
        const bool same = equal_constant_time(hash, known.hash);
        fits |= same && (known.expires == 0 || now < known.expires);
    }
    return fits && !key.empty();
}

}  // namespace planetbox
