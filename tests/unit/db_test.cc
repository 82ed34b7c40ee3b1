#include "store/db.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.h"
#include "sys/files.h"

using namespace planetbox;

namespace {

constexpr Migration kFirst[] = {
    {1, "CREATE TABLE pair(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"}};
constexpr Migration kSecond[] = {
    kFirst[0],
    {5,
     "ALTER TABLE pair ADD COLUMN note TEXT; CREATE TABLE child(key TEXT REFERENCES "
     "pair(key)) STRICT;"}};

std::unique_ptr<Database> must_open(const std::string& path,
                                    std::span<const Migration> migrations = kSecond) {
    auto db = Database::open(path, migrations);
    if (!db) FAIL(db.error().message());
    return std::move(*db);
}

TempDir must_temp() { return std::move(TempDir::create().value()); }

Status put(Database& db, std::string_view key, std::string_view value) {
    Statement s =
        TRY(db.prepare("INSERT INTO pair(key, value) VALUES(?, ?) ON CONFLICT DO UPDATE SET "
                       "value=excluded.value"));
    TRY(s.bind_all(key, value));
    return s.run();
}

std::string get(Database& db, std::string_view key) {
    Statement s = db.prepare("SELECT value FROM pair WHERE key = ?").value();
    REQUIRE(s.bind(1, key).has_value());
    return s.step().value() ? s.text(0) : "(none)";
}

std::string pragma(Database& db, const char* sql) {
    Statement s = db.prepare(sql).value();
    return s.step().value() ? s.text(0) : "";
}

// Runs `body` in a forked child and returns its exit status.
template <typename Body>
int in_child(const Body& body) {
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) _exit(body());
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

// Catches: a setting that silently does not hold (PRAGMA with a typing error is no error).
TEST_CASE("settings of DESIGN 6 hold on a fresh file") {
    TempDir dir = must_temp();
    std::string path = dir.path() + "/state.db";
    auto db = must_open(path);
    CHECK(pragma(*db, "PRAGMA journal_mode") == "wal");
    CHECK(pragma(*db, "PRAGMA synchronous") == "2");
    CHECK(pragma(*db, "PRAGMA foreign_keys") == "1");
    CHECK(pragma(*db, "PRAGMA trusted_schema") == "0");
    CHECK(pragma(*db, "PRAGMA cell_size_check") == "1");
    CHECK(pragma(*db, "PRAGMA busy_timeout") == "5000");
    CHECK(pragma(*db, "PRAGMA journal_size_limit") == "8388608");
    CHECK(pragma(*db, "PRAGMA wal_autocheckpoint") == "1000");
    CHECK(pragma(*db, "PRAGMA user_version") == "5");
    CHECK(pragma(*db, "PRAGMA application_id") == std::to_string(0x706c6278));
    struct stat info{};
    for (const char* suffix : {"", "-wal", "-shm"}) {
        CAPTURE(suffix);
        REQUIRE(stat((path + suffix).c_str(), &info) == 0);
        CHECK((info.st_mode & 0777) == 0600);  // token and password hashes: nobody else reads them
    }
    CHECK(db->check_integrity().has_value());
}

// Catches: steps applied twice, skipped, or data lost on the way.
TEST_CASE("migrations run once each, in order, and keep the data") {
    TempDir dir = must_temp();
    std::string path = dir.path() + "/state.db";
    {
        auto db = must_open(path, kFirst);
        REQUIRE(put(*db, "a", "1").has_value());
    }
    for (int i = 0; i < 2; ++i) {
        auto db = must_open(path, kSecond);
        CHECK(get(*db, "a") == "1");
        CHECK(pragma(*db, "PRAGMA user_version") == "5");
    }
}

// Catches: a half-applied step that the next start takes for done.
TEST_CASE("a failing migration leaves the file at the step before") {
    TempDir dir = must_temp();
    std::string path = dir.path() + "/state.db";
    const Migration broken[] = {kFirst[0], {7, "CREATE TABLE fine(x) STRICT; CREATE NONSENSE;"}};
    auto db = Database::open(path, broken);
    REQUIRE(!db);
    CHECK(db.error().message().find("schema step 7") != std::string::npos);
    CHECK(pragma(*must_open(path, kFirst), "PRAGMA user_version") == "1");
    CHECK(get(*must_open(path, kSecond), "x") == "(none)");
}

// Catches: an older program writing into a newer schema.
TEST_CASE("a newer file is refused with a sentence that says what to do") {
    TempDir dir = must_temp();
    std::string path = dir.path() + "/state.db";
    must_open(path, kSecond);
    auto db = Database::open(path, kFirst);
    REQUIRE(!db);
    CHECK(db.error().code() == Code::kUnsupported);
    CHECK(db.error().message().find("written by a newer planetbox") != std::string::npos);
    CHECK(db.error().message().find(path) != std::string::npos);
    CHECK(!Database::open(path, kFirst, true));
}

// Catches: taking over, and changing, another program's database.
TEST_CASE("another program's database is refused untouched") {
    TempDir dir = must_temp();
    std::string path = dir.path() + "/state.db";
    {
        auto db = must_open(path, {});
        REQUIRE(db->execute("CREATE TABLE theirs(x)").has_value());
    }
    auto db = Database::open(path, kFirst);
    REQUIRE(!db);
    CHECK(db.error().code() == Code::kInvalid);
    CHECK(db.error().message().find("another program") != std::string::npos);
}

// Catches: an error without the path, or a damaged file taken for an empty one and overwritten.
TEST_CASE("files that are no database, or damaged, are refused with the path and kept") {
    TempDir dir = must_temp();
    std::string path = dir.path() + "/state.db";
    std::string garbage(8192, 'x');
    REQUIRE(write_file_atomic(path, garbage).has_value());
    auto db = Database::open(path, kFirst);
    REQUIRE(!db);
    CHECK(db.error().code() == Code::kInvalid);
    CHECK(db.error().message().find(path) != std::string::npos);
    CHECK(db.error().message().find("restore the last backup") != std::string::npos);
    CHECK(read_file(path, 1 << 20).value() == garbage);

    std::string damaged = dir.path() + "/damaged.db";
    {
        auto good = must_open(damaged);
        for (int i = 0; i < 500; ++i)
            REQUIRE(put(*good, std::to_string(i), std::string(200, 'v')).has_value());
    }
    std::string bytes = read_file(damaged, 64 << 20).value();
    for (size_t page = 3; page * 4096 + 16 < bytes.size(); ++page)
        for (size_t i = 0; i < 16; ++i) bytes[page * 4096 + i] = '\xff';
    REQUIRE(write_file_atomic(damaged, bytes).has_value());
    auto opened = Database::open(damaged, kSecond);
    REQUIRE(opened);
    Status status = (*opened)->check_integrity();
    REQUIRE(!status);
    CHECK(status.error().code() == Code::kInvalid);
    CHECK(status.error().message().find(damaged) != std::string::npos);
    Statement all = (*opened)->prepare("SELECT sum(length(value)) FROM pair").value();
    auto row = all.step();
    REQUIRE(!row);
    CHECK(row.error().code() == Code::kInvalid);
}

TEST_CASE("missing directory, and reading what is not there") {
    TempDir dir = must_temp();
    auto db = Database::open(dir.path() + "/no/state.db", kFirst);
    REQUIRE(!db);
    CHECK(db.error().code() == Code::kNotFound);
    auto reader = Database::open(dir.path() + "/absent.db", kFirst, true);
    REQUIRE(!reader);
    CHECK(reader.error().code() == Code::kNotFound);
    CHECK(!file_exists(dir.path() + "/absent.db"));  // a reader creates nothing
}

// Catches: a constraint that reads as an I/O error, and values (secrets) in messages.
TEST_CASE("constraints become codes, without the values") {
    TempDir dir = must_temp();
    auto db = must_open(dir.path() + "/state.db");
    REQUIRE(db->execute("INSERT INTO pair(key, value) VALUES('secret', 'v')").has_value());
    Status twice = db->execute("INSERT INTO pair(key, value) VALUES('secret', 'v')");
    REQUIRE(!twice);
    CHECK(twice.error().code() == Code::kExists);
    CHECK(twice.error().message().find("secret") == std::string::npos);
    Status orphan = db->execute("INSERT INTO child(key) VALUES('nobody')");
    REQUIRE(!orphan);
    CHECK(orphan.error().code() == Code::kInvalid);
    Status type = db->execute("INSERT INTO pair(key, value) VALUES('k', NULL)");
    REQUIRE(!type);
    CHECK(type.error().code() == Code::kInvalid);
}

// Catches: rows kept or lost at the wrong end of a transaction.
TEST_CASE("a transaction that is not committed leaves nothing") {
    TempDir dir = must_temp();
    auto db = must_open(dir.path() + "/state.db");
    {
        auto transaction = Transaction::begin(*db);
        REQUIRE(transaction);
        REQUIRE(put(*db, "a", "1").has_value());
    }
    CHECK(get(*db, "a") == "(none)");
    auto transaction = Transaction::begin(*db);
    REQUIRE(put(*db, "a", "2").has_value());
    REQUIRE(transaction->commit().has_value());
    CHECK(get(*db, "a") == "2");
    CHECK(!db->in_transaction());
}

// Catches: a cached statement handed out twice (the inner loop would reset the outer one), bindings
// that leak into the next use, and text that is cut at a NUL.
TEST_CASE("statements nest, forget their bindings and keep every byte") {
    TempDir dir = must_temp();
    auto db = must_open(dir.path() + "/state.db");
    for (const char* key : {"a", "b", "c"}) REQUIRE(put(*db, key, "v").has_value());
    static const char* const kAll = "SELECT key FROM pair ORDER BY key";
    Statement outer = db->prepare(kAll).value();
    std::string seen;
    while (outer.step().value()) {
        seen += outer.text(0);
        Statement inner = db->prepare(kAll).value();
        while (inner.step().value()) seen += '.';
    }
    CHECK(seen == "a...b...c...");

    static const char* const kEcho = "SELECT ?, ?, ?, ?, ?";
    {
        Statement echo = db->prepare(kEcho).value();
        REQUIRE(
            echo.bind_all(std::string_view("a\0b", 3), int64_t{1} << 62, 0.5, true).has_value());
        REQUIRE(echo.bind_blob(5, std::string_view("\0\xff", 2)).has_value());
        REQUIRE(echo.step().value());
        CHECK(echo.text(0) == std::string("a\0b", 3));
        CHECK(echo.int64(1) == int64_t{1} << 62);
        CHECK(echo.real(2) == 0.5);
        CHECK(echo.int64(3) == 1);
        CHECK(echo.blob(4) == std::string("\0\xff", 2));
    }
    Statement echo = db->prepare(kEcho).value();
    REQUIRE(echo.bind(1, std::string_view()).has_value());
    REQUIRE(echo.step().value());
    CHECK(!echo.is_null(0));  // an empty text is not NULL
    CHECK(echo.is_null(1));   // and the first use's values are gone
}

// Catches: a second writer that fails at once instead of waiting, or waits for ever.
TEST_CASE("writers of several processes wait for each other, also on a file not made yet") {
    TempDir dir = must_temp();
    std::string path = dir.path() + "/state.db";
    std::vector<pid_t> children;
    for (int child = 0; child < 4; ++child) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            auto db = Database::open(path, kSecond);
            if (!db) {
                std::string message = db.error().message() + "\n";
                (void)!write(2, message.data(), message.size());
                _exit(1);
            }
            for (int i = 0; i < 50; ++i)
                if (!put(**db, strf("%d-%d", child, i), "v")) _exit(2);
            db->reset();
            _exit(0);
        }
        children.push_back(pid);
    }
    for (pid_t pid : children) {
        int status = 0;
        waitpid(pid, &status, 0);
        CHECK(status == 0);
    }
    CHECK(pragma(*must_open(path), "SELECT count(*) FROM pair") == "200");
}

// Catches: a lock that is never given up on; and a message that does not say what is the matter.
TEST_CASE("a lock held beyond five seconds is kUnavailable") {
    TempDir dir = must_temp();
    auto db = must_open(dir.path() + "/state.db");
    auto other = must_open(dir.path() + "/state.db");
    REQUIRE(
        other->execute("PRAGMA busy_timeout=50").has_value());  // the test need not wait so long
    auto held = Transaction::begin(*db);
    REQUIRE(held);
    auto refused = Transaction::begin(*other);
    REQUIRE(!refused);
    CHECK(refused.error().code() == Code::kUnavailable);
    CHECK(refused.error().message().find("another process") != std::string::npos);
    CHECK(get(*other, "a") == "(none)");  // readers are not held up
}

// Catches: "disk I/O error" where the disk is full, and a database that is broken afterwards.
TEST_CASE("a write that does not fit is told in words and undone") {
    TempDir dir = must_temp();
    std::string path = dir.path() + "/state.db";
    {
        auto db = must_open(path);
        REQUIRE(put(*db, "before", "1").has_value());
    }
    int result = in_child([&] {
        signal(SIGXFSZ, SIG_IGN);
        rlimit limit{256 * 1024, 256 * 1024};
        setrlimit(RLIMIT_FSIZE, &limit);
        auto db = Database::open(path, kSecond);
        if (!db) return 1;
        Status status;
        for (int i = 0; status && i < 100; ++i)
            status = put(**db, "k" + std::to_string(i), std::string(20000, 'v'));
        if (status || status.error().code() != Code::kIo) return 2;
        const std::string& message = status.error().message();
        if (message.find("limit") == std::string::npos || message.find(path) == std::string::npos)
            return 3;
        if ((*db)->in_transaction()) return 4;
        return get(**db, "before") == "1" ? 0 : 5;
    });
    CHECK(result == 0);
    auto db = must_open(path);
    CHECK(db->check_integrity().has_value());
    CHECK(put(*db, "after", "2").has_value());
}

// Catches: an error that does not say "read-only".  Root may write anywhere, so the child drops
// root.
TEST_CASE("a file that may not be written is told in words") {
    TempDir dir = must_temp();
    std::string path = dir.path() + "/state.db";
    must_open(path);
    REQUIRE(chmod(dir.path().c_str(), 0555) == 0);
    REQUIRE(chmod(path.c_str(), 0444) == 0);
    int result = in_child([&] {
        if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0)) return 1;
        auto db = Database::open(path, kSecond);
        Status status;
        if (!db)
            status = std::unexpected(db.error());
        else
            status = put(**db, "a", "b");
        if (status || status.error().code() != Code::kDenied) return 2;
        return status.error().message().find("read-only") != std::string::npos ? 0 : 3;
    });
    CHECK(result == 0);
    REQUIRE(chmod(dir.path().c_str(), 0755) == 0);
}
