#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include <unordered_map>

#include "base/clock.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "store/sqlite_error.h"

namespace planetbox {

namespace {

constexpr int kBusyMillis = 5000;
constexpr int kApplicationId = 0x706c6278;  // "plbx": file(1) and we know our own files by it

struct Cached {
    sqlite3_stmt* raw = nullptr;
    bool in_use = false;
};

}  // namespace

struct Database::State {
    sqlite3* raw = nullptr;
    std::string path;
    std::unordered_map<const char*, Cached> cache;  // nodes do not move: Statement points into them
    std::function<void()> group_hook;
    bool in_group_write = false;

    ~State() {
        for (auto& [text, cached] : cache) sqlite3_finalize(cached.raw);
        // close, not close_v2: a Statement that outlives its Database is a bug to be found.
        CHECK(sqlite3_close(raw) == SQLITE_OK);
    }

    Status checked(int code) const {
        if (code == SQLITE_OK) [[likely]]
            return {};
        return fail(sqlite_error(raw, code, path));
    }

    // Anybody's write but the open group's own: the group's transaction must not swallow it.
    void settle_group() {
        if (!group_hook || in_group_write) return;
        std::function<void()> hook = std::exchange(group_hook, nullptr);
        hook();
    }

    Status execute(const char* sql) {
        return checked(sqlite3_exec(raw, sql, nullptr, nullptr, nullptr));
    }

    // One integer from a PRAGMA or SELECT.
    Result<int64_t> query_int(const char* sql) {
        sqlite3_stmt* statement = nullptr;
        TRY(checked(sqlite3_prepare_v2(raw, sql, -1, &statement, nullptr)));
        int code = sqlite3_step(statement);
        int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        int end = sqlite3_finalize(statement);
        TRY(checked(end));
        return value;
    }
};

namespace {

// SQLite would create the file with 0644; it holds tokens' and passwords' hashes.  O_EXCL, because
// closing any descriptor of a database file drops this process's locks on it: only a file that
// nobody can have open may be opened and closed here.  The -wal and -shm files take over the mode.
Status create_private(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.ok() && errno != EEXIST) return fail_errno(path);
    return {};
}

// Going over to WAL needs the file alone for a moment, and SQLite does not wait for that (its busy
// handler is not asked, because two that wait for each other would wait for ever).  So the wait is
// here.
template <typename Try>
Status retry_while_busy(const Try& attempt) {
    RealClock clock;
    MonoTime deadline = clock.mono() + Millis(kBusyMillis);
    for (int wait = 1;; wait = wait < 50 ? wait * 2 : 50) {
        Status status = attempt();
        if (status || status.error().code() != Code::kUnavailable || clock.mono() >= deadline)
            return status;
        ::poll(nullptr, 0, wait);
    }
}

constexpr const char* kSettings =
    "PRAGMA synchronous=FULL;"
    "PRAGMA foreign_keys=ON;"
    "PRAGMA trusted_schema=OFF;"
    "PRAGMA cell_size_check=ON;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA mmap_size=0;"  // an I/O error must be an error, not a SIGBUS
    "PRAGMA wal_autocheckpoint=1000;"
    "PRAGMA journal_size_limit=8388608;";

void harden(sqlite3* raw) {
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, kBusyMillis);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    sqlite3_limit(raw, SQLITE_LIMIT_ATTACHED, 0);
}

Status apply_migration(sqlite3* raw, const std::string& path, const Migration& migration) {
    std::string number = strf("PRAGMA user_version=%d", migration.id);
    for (const char* sql : {migration.sql, number.c_str()}) {
        int code = sqlite3_exec(raw, sql, nullptr, nullptr, nullptr);
        if (code != SQLITE_OK)
            return fail(
                sqlite_error(raw, code, path).context(strf("schema step %d", migration.id)));
    }
    return {};
}

}  // namespace

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::~Database() = default;

const std::string& Database::path() const { return state_->path; }

Status Database::check_identity() {
    // In this order: another process may be creating it just now, and commits the id with the first
    // table.
    int64_t objects = TRY(state_->query_int("SELECT count(*) FROM sqlite_schema"));
    int64_t id = TRY(state_->query_int("PRAGMA application_id"));
    if (id == kApplicationId || (id == 0 && objects == 0)) return {};
    return fail(
        Code::kInvalid,
        str_cat(state_->path,
                ": is a SQLite database of another program; choose another state directory, or "
                "move that file away"));
}

Status Database::check_not_newer(std::span<const Migration> migrations, int64_t version) {
    int known = migrations.empty() ? 0 : migrations.back().id;
    if (version <= known) return {};
    return fail(
        Code::kUnsupported,
        strf("%s: was written by a newer planetbox (schema %lld, this one knows %d); install "
             "that version again, or restore the backup made before the upgrade",
             state_->path.c_str(), static_cast<long long>(version), known));
}

// A reader must find exactly the schema it knows; a writer may find an older one.
Status Database::check_schema(std::span<const Migration> migrations, bool read_only) {
    int64_t version = TRY(state_->query_int("PRAGMA user_version"));
    TRY(check_not_newer(migrations, version));
    if (!read_only || migrations.empty() || version == migrations.back().id) return {};
    return fail(
        Code::kUnavailable,
        strf("%s: has an older schema (%lld, wanted %d); start the service once, it brings the "
             "file up to date",
             state_->path.c_str(), static_cast<long long>(version), migrations.back().id));
}

// The version is read again inside the write transaction: two processes may start at once, and the
// second must find the first one's work done.
Status Database::migrate(std::span<const Migration> migrations) {
    int64_t version = TRY(state_->query_int("PRAGMA user_version"));
    if (migrations.empty() || version == migrations.back().id) return {};
    for (const Migration& migration : migrations) {
        Transaction transaction = TRY(Transaction::begin(*this));
        version = TRY(state_->query_int("PRAGMA user_version"));
        TRY(check_not_newer(migrations, version));
        if (migration.id <= version) continue;
        if (version == 0)
            TRY(state_->execute(strf("PRAGMA application_id=%d", kApplicationId).c_str()));
        TRY(apply_migration(state_->raw, state_->path, migration));
        TRY(transaction.commit());
    }
    return {};
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path,
                                                 std::span<const Migration> migrations,
                                                 bool read_only) {
    for (size_t i = 0; i < migrations.size(); ++i)
        CHECK(migrations[i].id > (i ? migrations[i - 1].id : 0));
    if (!read_only) TRY(create_private(path));
    auto state = std::make_unique<State>();
    state->path = path;
    int flags = (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path.c_str(), &state->raw, flags, nullptr);
    if (!state->raw) return fail(Code::kIo, str_cat(path, ": out of memory"));
    if (code != SQLITE_OK) return fail(sqlite_error(state->raw, code, path));
    harden(state->raw);
    std::unique_ptr<Database> db(new Database(std::move(state)));
    // Before anything is written: is it ours, and not from the future?
    TRY(retry_while_busy([&] { return db->check_identity(); }));
    TRY(db->check_schema(migrations, read_only));
    if (!read_only)
        TRY(retry_while_busy([&] { return db->state_->execute("PRAGMA journal_mode=WAL"); }));
    TRY(db->state_->execute(kSettings));
    if (!read_only) TRY(db->migrate(migrations));
    return db;
}

Result<Statement> Database::prepare(const char* sql) {
    Cached& cached = state_->cache[sql];
    // The text is compared, too: a caller's buffer that is reused for other SQL must not run the
    // old one.
    bool usable = cached.raw && strcmp(sqlite3_sql(cached.raw), sql) == 0;
    if (usable && !cached.in_use) {
        cached.in_use = true;
        return Statement(*this, cached.raw, &cached.in_use);
    }
    sqlite3_stmt* raw = nullptr;
    const char* rest = nullptr;
    unsigned flags = cached.raw ? 0 : SQLITE_PREPARE_PERSISTENT;
    TRY(state_->checked(sqlite3_prepare_v3(state_->raw, sql, -1, flags, &raw, &rest)));
    CHECK(raw && trim(rest).empty());  // exactly one statement
    if (cached.raw) return Statement(*this, raw, nullptr);
    cached = {raw, true};
    return Statement(*this, raw, &cached.in_use);
}

Status Database::execute(const char* sql) {
    state_->settle_group();
    return state_->execute(sql);
}

int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(state_->raw); }
int64_t Database::changes() const { return sqlite3_changes64(state_->raw); }
bool Database::in_transaction() const { return !sqlite3_get_autocommit(state_->raw); }

Status Database::begin() {
    state_->settle_group();
    CHECK(!in_transaction());
    Statement statement = TRY(prepare("BEGIN IMMEDIATE"));
    return statement.checked(sqlite3_step(statement.raw_));
}

Status Database::commit() {
    Status status;
    {
        Statement statement = TRY(prepare("COMMIT"));
        status = statement.checked(sqlite3_step(statement.raw_));
    }
    if (!status) rollback();
    return status;
}

void Database::rollback() {
    // After some errors (disk full, I/O) SQLite has rolled back by itself.  A ROLLBACK that fails
    // leaves nothing behind either: what was not committed is not in the file.
    if (in_transaction()) sqlite3_exec(state_->raw, "ROLLBACK", nullptr, nullptr, nullptr);
}

Status Database::check_integrity() {
    Statement statement = TRY(prepare("PRAGMA quick_check(1)"));
    if (!TRY(statement.step()) || statement.text(0) == "ok") return {};
    return fail(Code::kInvalid,
                str_cat(state_->path, ": is damaged: ", statement.text(0), "; ", kDamagedRemedy));
}

void Database::set_group_hook(std::function<void()> commit_group) {
    state_->group_hook = std::move(commit_group);
}
void Database::set_in_group_write(bool inside) { state_->in_group_write = inside; }

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), raw_(std::exchange(other.raw_, nullptr)), in_use_(other.in_use_) {}

Statement::~Statement() {
    if (!raw_) return;
    if (!in_use_) {
        sqlite3_finalize(raw_);
        return;
    }
    reset();
    *in_use_ = false;
}

Status Statement::checked(int code) {
    if (code == SQLITE_DONE || code == SQLITE_ROW) return {};
    return db_->state_->checked(code);
}

Status Statement::bind(int index, std::string_view text) {
    // A null pointer would bind NULL; an empty text is a text.
    const char* data = text.data() ? text.data() : "";
    return checked(
        sqlite3_bind_text64(raw_, index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}
Status Statement::bind(int index, int64_t value) {
    return checked(sqlite3_bind_int64(raw_, index, value));
}
Status Statement::bind(int index, double value) {
    return checked(sqlite3_bind_double(raw_, index, value));
}
Status Statement::bind_blob(int index, std::string_view bytes) {
    const char* data = bytes.data() ? bytes.data() : "";
    return checked(sqlite3_bind_blob64(raw_, index, data, bytes.size(), SQLITE_TRANSIENT));
}
Status Statement::bind_null(int index) { return checked(sqlite3_bind_null(raw_, index)); }

Result<bool> Statement::step() {
    if (!sqlite3_stmt_readonly(raw_)) db_->state_->settle_group();
    int code = sqlite3_step(raw_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    Error error = sqlite_error(db_->state_->raw, code, db_->state_->path);
    sqlite3_reset(raw_);  // a failed statement must not keep a read lock until it is destroyed
    return fail(std::move(error));
}

Status Statement::run() {
    while (TRY(step())) {
    }
    sqlite3_reset(raw_);
    return {};
}

std::string Statement::text(int column) const {
    const unsigned char* data = sqlite3_column_text(raw_, column);
    if (!data) return {};
    return std::string(reinterpret_cast<const char*>(data),
                       static_cast<size_t>(sqlite3_column_bytes(raw_, column)));
}

std::string Statement::blob(int column) const {
    const void* data = sqlite3_column_blob(raw_, column);
    if (!data) return {};
    return std::string(static_cast<const char*>(data),
                       static_cast<size_t>(sqlite3_column_bytes(raw_, column)));
}

int64_t Statement::int64(int column) const { return sqlite3_column_int64(raw_, column); }
double Statement::real(int column) const { return sqlite3_column_double(raw_, column); }
bool Statement::is_null(int column) const {
    return sqlite3_column_type(raw_, column) == SQLITE_NULL;
}

void Statement::reset() {
    sqlite3_reset(raw_);
    sqlite3_clear_bindings(raw_);
}

Result<Transaction> Transaction::begin(Database& db) {
    TRY(db.begin());
    return Transaction(db);
}

Transaction::~Transaction() {
    if (db_) db_->rollback();
}

Status Transaction::commit() { return std::exchange(db_, nullptr)->commit(); }

}  // namespace planetbox
