// SQLite, DESIGN §6: one file, WAL, BEGIN IMMEDIATE for every write, synchronous=FULL, STRICT
// tables, foreign keys, trusted_schema=OFF, user_version with an ordered list of migrations.
//
// store/ is the only includer of sqlite3.h; SQL text lives in *_store.cc files only.
//
// May block: on the disk, and up to 5 s on another process that writes.  Limits: the write-ahead
// log is cut back to 8 MiB after a checkpoint; a checkpoint is due every 1000 pages.
//
// Errors name the file and, where the operator can do something, the remedy.  Codes: kUnavailable
// (busy), kIo (disk full: errno ENOSPC; other system errors), kDenied (read-only, no permission),
// kInvalid (damaged, not a database, a broken constraint but UNIQUE), kExists (UNIQUE, PRIMARY
// KEY), kTooLarge, kUnsupported (newer than this program).  Bound values never appear in a message.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace planetbox {

// One schema step of one domain.  `id` is global and increasing over all domains (DESIGN: an
// ordered list); never change one that has shipped.
struct Migration {
    int id;
    const char* sql;
};

class Statement;

class Database {
public:
    // Opens or creates; applies missing migrations in order, each in a transaction.  Errors:
    // kUnsupported when the file is newer than `migrations` know ("state.db was written by a newer
    // planetbox …"), kIo / kInvalid (corrupt) with the path.  `read_only` neither creates nor
    // migrates, and refuses an older schema with kUnavailable.  Every process passes the whole
    // list.
    static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                  std::span<const Migration> migrations,
                                                  bool read_only = false);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // A prepared statement, cached for the life of the database by its text's address (pass
    // literals).  While one is in use, asking for it again yields a second, uncached one.  The
    // Database must outlive it.
    Result<Statement> prepare(const char* sql);
    Status execute(const char* sql);  // no parameters, no rows
    int64_t last_insert_id() const;
    int64_t changes() const;
    bool in_transaction() const;
    // Status of a write at commit: kUnavailable when another process holds the lock beyond 5 s;
    // kIo with "disk full" words when the disk is full.
    Status begin();   // BEGIN IMMEDIATE; inside a transaction it is a bug (CHECK)
    Status commit();  // on failure nothing of the transaction has happened
    void rollback();
    // PRAGMA quick_check.
    Status check_integrity();
    const std::string& path() const;

    // For GroupCommit.  While a hook is set, a transaction is open that belongs to it; anybody
    // else's write calls the hook first, which must commit and take itself away.
    void set_group_hook(std::function<void()> commit_group);
    void set_in_group_write(bool inside);

private:
    friend class Statement;
    struct State;
    explicit Database(std::unique_ptr<State> state);
    Status check_identity();
    Status check_not_newer(std::span<const Migration> migrations, int64_t version);
    Status check_schema(std::span<const Migration> migrations, bool read_only);
    Status migrate(std::span<const Migration> migrations);
    std::unique_ptr<State> state_;
};

// A borrowed prepared statement; resets itself when it goes out of scope.
//     Statement s = TRY(db.prepare("SELECT id FROM node WHERE hostname = ?"));
//     TRY(s.bind(1, hostname));
//     if (TRY(s.step())) id = s.int64(0);
class Statement {
public:
    Statement(Statement&&) noexcept;
    Statement& operator=(Statement&&) = delete;
    ~Statement();
    Status bind(int index, std::string_view text);  // copied
    Status bind(int index, const char* text) { return bind(index, std::string_view(text)); }
    Status bind(int index, int64_t value);
    Status bind(int index, int value) { return bind(index, static_cast<int64_t>(value)); }
    Status bind(int index, bool value) { return bind(index, static_cast<int64_t>(value)); }
    Status bind(int index, double value);
    Status bind_blob(int index, std::string_view bytes);
    Status bind_null(int index);
    template <typename... Values>
    Status bind_all(const Values&... values) {
        int index = 0;
        Status status;
        ((status = status ? bind(++index, values) : std::move(status)), ...);
        return status;
    }
    Result<bool> step();  // true: a row is there
    Status run();         // step until done; for writes
    std::string text(int column) const;
    std::string blob(int column) const;
    int64_t int64(int column) const;
    double real(int column) const;
    bool is_null(int column) const;
    void reset();

private:
    friend class Database;
    Statement(Database& db, sqlite3_stmt* raw, bool* in_use)
        : db_(&db), raw_(raw), in_use_(in_use) {}
    Status checked(int code);
    Database* db_;
    sqlite3_stmt* raw_;
    bool* in_use_;  // of the cache's entry; nullptr: not cached, finalized here
};

// Rolls back unless commit() was called.  Nested use is a bug (CHECK).
class Transaction {
public:
    static Result<Transaction> begin(Database& db);
    Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    Status commit();

private:
    explicit Transaction(Database& db) : db_(&db) {}
    Database* db_;
};

}  // namespace planetbox
