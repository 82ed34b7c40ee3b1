// Sessions and logs of hosts: the writes of the boot path.
#include "boot/boot_store.h"
#include "crypto/hash.h"

namespace planetbox {
namespace {

constexpr char kSessionColumns[] =
    "SELECT node_id, hashes, address, updating, last_phase, phase, created, expires, uses, "
    "reports, "
    "successes, message, code FROM boot_session WHERE node_id = ?1 OR ?1 = 0";

std::string joined_hashes(const Session& session) {
    std::string all;
    for (const std::string& hash : session.hashes) all += hash;
    return all;
}

Session read_session(const Statement& row) {
    Session session;
    session.node_id = row.int64(0);
    const std::string hashes = row.blob(1);
    if (hashes.size() == kTokenKinds * kSha256Size)
        for (size_t i = 0; i < kTokenKinds; ++i)
            session.hashes[i] = hashes.substr(i * kSha256Size, kSha256Size);
    session.address = row.text(2);
    session.update = row.int64(3) != 0;
    session.last_phase = BootPhase(row.int64(4));
    session.phase = BootPhase(row.int64(5));
    session.created = row.int64(6);
    session.expires = row.int64(7);
    session.uses = row.int64(8);
    session.reports = row.int64(9);
    session.successes = row.int64(10);
    session.message = row.text(11);
    session.code = row.text(12);
    return session;
}

}  // namespace

Status BootStore::put_session(const Session& session) {
    Statement put = TRY(db_.prepare(
        "INSERT OR REPLACE INTO boot_session (node_id, hashes, address, updating, last_phase, "
        "phase, created, expires, uses, reports, successes, message, code) "
        "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,0,0,0,'','')"));
    TRY(put.bind(1, session.node_id));
    TRY(put.bind_blob(2, joined_hashes(session)));
    TRY(put.bind(3, session.address));
    TRY(put.bind(4, session.update));
    TRY(put.bind(5, int(session.last_phase)));
    TRY(put.bind(6, int(session.phase)));
    TRY(put.bind(7, session.created));
    TRY(put.bind(8, session.expires));
    return put.run();
}

Status BootStore::save_session(const Session& session) {
    Statement save = TRY(db_.prepare(
        "UPDATE boot_session SET phase=?2, expires=?3, uses=?4, reports=?5, successes=?6, "
        "message=?7, code=?8 WHERE node_id=?1"));
    TRY(save.bind_all(session.node_id, int(session.phase), session.expires, session.uses,
                      session.reports, session.successes, session.message, session.code));
    return save.run();
}

Result<std::optional<Session>> BootStore::find_session(int64_t node_id) {
    Statement row = TRY(db_.prepare(kSessionColumns));
    TRY(row.bind(1, node_id));
    if (!TRY(row.step())) return std::optional<Session>();
    return std::optional<Session>(read_session(row));
}

Result<std::vector<Session>> BootStore::list_sessions() {
    Statement row = TRY(db_.prepare(kSessionColumns));
    TRY(row.bind(1, 0));
    std::vector<Session> sessions;
    while (TRY(row.step())) sessions.push_back(read_session(row));
    return sessions;
}

Result<int64_t> BootStore::revoke_sessions(std::optional<int64_t> node_id) {
    Statement revoke = TRY(db_.prepare(
        "UPDATE boot_session SET hashes = x'' WHERE length(hashes) > 0 AND phase < 3 AND "
        "(node_id = ?1 OR ?1 = 0)"));
    TRY(revoke.bind(1, node_id.value_or(0)));
    TRY(revoke.run());
    return db_.changes();
}

Status BootStore::insert_event(int64_t node_id, int64_t seq, const BootEvent& event) {
    Statement add =
        TRY(db_.prepare("INSERT INTO boot_event (node_id, seq, at_ms, kind, address, detail, code) "
                        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
    TRY(add.bind_all(node_id, seq, event.at_ms, event.kind, event.address, event.detail,
                     event.code));
    return add.run();
}

Result<int64_t> BootStore::last_event(int64_t node_id) {
    Statement row =
        TRY(db_.prepare("SELECT seq FROM boot_event WHERE node_id = ? ORDER BY seq DESC LIMIT 1"));
    TRY(row.bind(1, node_id));
    return TRY(row.step()) ? row.int64(0) : 0;
}

Status BootStore::add_event(int64_t node_id, const BootEvent& event) {
    // The number is remembered; when another process has taken it meanwhile, it is looked up.
    const auto known = last_seq_.find(node_id);
    int64_t seq = (known != last_seq_.end() ? known->second : TRY(last_event(node_id))) + 1;
    Status added = insert_event(node_id, seq, event);
    if (!added && added.error().code() == Code::kExists) {
        seq = TRY(last_event(node_id)) + 1;
        added = insert_event(node_id, seq, event);
    }
    TRY(std::move(added));
    last_seq_[node_id] = seq;
    if (seq % 16 != 0 || seq <= kEventsKept) return {};
    Statement prune = TRY(db_.prepare("DELETE FROM boot_event WHERE node_id = ?1 AND seq <= ?2"));
    TRY(prune.bind_all(node_id, seq - kEventsKept));
    return prune.run();
}

Result<std::vector<BootEvent>> BootStore::events(int64_t node_id) {
    Statement row = TRY(db_.prepare(
        "SELECT seq, at_ms, kind, address, detail, code FROM boot_event WHERE node_id = ? "
        "ORDER BY seq"));
    TRY(row.bind(1, node_id));
    std::vector<BootEvent> events;
    while (TRY(row.step()))
        events.push_back(
            {row.int64(0), row.int64(1), row.text(2), row.text(3), row.text(4), row.text(5)});
    return events;
}

}  // namespace planetbox
