#include "store/group_commit.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/clock.h"
#include "base/strings.h"
#include "sys/files.h"

using namespace planetbox;

namespace {

constexpr Migration kSchema[] = {
    {1, "CREATE TABLE item(id INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT;"}};

std::unique_ptr<Database> must_open(const std::string& path) {
    auto db = Database::open(path, kSchema);
    if (!db) FAIL(db.error().message());
    return std::move(*db);
}

Status put(Database& db, int64_t id, std::string_view value) {
    Statement s = TRY(db.prepare(
        "INSERT INTO item(id, value) VALUES(?, ?) ON CONFLICT DO UPDATE SET value=excluded.value"));
    TRY(s.bind_all(id, value));
    return s.run();
}

int64_t count(Database& db) {
    Statement s = db.prepare("SELECT count(*) FROM item").value();
    return s.step().value() ? s.int64(0) : -1;
}

struct Fixture {
    RealClock clock;
    std::unique_ptr<Loop> loop = std::move(Loop::create(clock).value());
    TempDir dir = std::move(TempDir::create().value());
    std::string path = dir.path() + "/state.db";
    std::unique_ptr<Database> db = must_open(path);
    std::unique_ptr<Database> observer =
        must_open(path);  // sees what is committed and nothing else
    GroupCommit group{*loop, *db};
    void turn() { REQUIRE(loop->turn(Millis(0)).has_value()); }
};

}  // namespace

// Catches: an answer that is sent before the write it tells of is safe; and a commit a write.
TEST_CASE_FIXTURE(Fixture, "the writes of a turn share one commit, and callers hear after it") {
    int told = 0;
    for (int i = 0; i < 10; ++i) {
        group.submit([&, i] { return put(*db, i, "v"); },
                     [&](Status status) {
                         CHECK(status.has_value());
                         CHECK(count(*observer) == 10);
                         ++told;
                     });
    }
    CHECK(told == 0);
    CHECK(count(*observer) == 0);
    turn();
    CHECK(told == 10);
    turn();
    CHECK(told == 10);
}

// Catches: one bad write that takes the others with it, or leaves half of itself behind.
TEST_CASE_FIXTURE(Fixture, "a failed write undoes itself and nothing else") {
    std::vector<std::string> heard;
    auto hear = [&](Status status) { heard.push_back(status ? "ok" : status.error().message()); };
    group.submit([&] { return put(*db, 1, "first"); }, hear);
    group.submit(
        [&]() -> Status {
            TRY(put(*db, 2, "half"));
            return fail(Code::kConflict, "changed my mind");
        },
        hear);
    group.submit([&] { return db->execute("INSERT INTO item VALUES(1, 'again')"); }, hear);
    group.submit([&] { return put(*db, 3, "third"); }, hear);
    turn();
    REQUIRE(heard.size() == 4);
    CHECK(heard[0] == "ok");
    CHECK(heard[1] == "changed my mind");
    CHECK(heard[2].find("UNIQUE") != std::string::npos);
    CHECK(heard[3] == "ok");
    CHECK(count(*observer) == 2);
}

// Catches: a foreign write that is swallowed by the open batch and undone with it, and the crash of
// a Transaction that begins while a batch is open.
TEST_CASE_FIXTURE(Fixture, "somebody else's write commits the open batch first") {
    bool told = false;
    group.submit([&] { return put(*db, 1, "group"); }, [&](Status) { told = true; });
    {
        auto transaction = Transaction::begin(*db);
        REQUIRE(transaction);
        CHECK(count(*observer) == 1);  // the batch is in the file …
        REQUIRE(put(*db, 2, "rolled back").has_value());
    }
    CHECK(!told);  // … but nobody is called from inside a stranger's handler
    group.submit([&] { return put(*db, 3, "group"); }, nullptr);
    REQUIRE(put(*db, 4, "alone").has_value());
    CHECK(count(*observer) == 3);
    CHECK(!db->in_transaction());
    turn();
    CHECK(told);
}

TEST_CASE_FIXTURE(Fixture, "a callback may submit again, and flush does not wait for the turn") {
    int second = 0;
    group.submit(
        [&] { return put(*db, 1, "a"); },
        [&](Status) { group.submit([&] { return put(*db, 2, "b"); }, [&](Status) { ++second; }); });
    group.flush();
    CHECK(second == 0);
    turn();
    turn();
    CHECK(second == 1);
    CHECK(count(*observer) == 2);
}

// Catches: a busy database that hangs the callers or calls them from inside submit().
TEST_CASE_FIXTURE(Fixture, "when the transaction cannot begin, callers hear why, later") {
    REQUIRE(db->execute("PRAGMA busy_timeout=20").has_value());
    auto held = Transaction::begin(*observer);
    REQUIRE(held);
    Status heard;
    bool ran = false;
    group.submit(
        [&]() -> Status {
            ran = true;
            return {};
        },
        [&](Status status) { heard = std::move(status); });
    CHECK(heard.has_value());
    turn();
    REQUIRE(!heard);
    CHECK(heard.error().code() == Code::kUnavailable);
    CHECK(!ran);
}

TEST_CASE("what is open is committed when the group goes, without calls to who is gone") {
    RealClock clock;
    auto loop = std::move(Loop::create(clock).value());
    TempDir dir = std::move(TempDir::create().value());
    auto db = must_open(dir.path() + "/state.db");
    {
        GroupCommit group(*loop, *db);
        group.submit([&] { return put(*db, 1, "v"); }, [](Status) { FAIL("called"); });
    }
    CHECK(count(*db) == 1);
    REQUIRE(loop->turn(Millis(0)).has_value());
}

namespace {

// Writes items 0, 1, 2, … in batches and tells each id on the pipe once its commit is done, until
// killed.
[[noreturn]] void acknowledge_for_ever(const std::string& path, int64_t first, int pipe_fd) {
    RealClock clock;
    auto loop = std::move(Loop::create(clock).value());
    auto db = Database::open(path, kSchema);
    if (!db) _exit(1);
    GroupCommit group(*loop, **db);
    for (int64_t id = first;;) {
        for (int i = 0; i < 7; ++i, ++id)
            group.submit([&, id] { return put(**db, id, std::string(100, 'v')); },
                         [id, pipe_fd](Status status) {
                             if (!status) _exit(2);
                             if (::write(pipe_fd, &id, sizeof id) < 0) _exit(3);
                         });
        if (!loop->turn(Millis(0))) _exit(4);
    }
}

}  // namespace

// Catches: an acknowledgement before the commit, and a file that does not open after a crash.
TEST_CASE("kill -9 at any moment loses no acknowledged write") {
    TempDir dir = std::move(TempDir::create().value());
    std::string path = dir.path() + "/state.db";
    must_open(path);
    int64_t acknowledged = 0, unacknowledged_kept = 0;
    for (int round = 0; round < 60; ++round) {
        int fds[2];
        REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
        UniqueFd reader(fds[0]), writer(fds[1]);
        int64_t first = acknowledged + 1000 * round;
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) acknowledge_for_ever(path, first, writer.get());
        writer.reset();
        // A moment that differs from round to round: so many acknowledgements, then some
        // microseconds.
        std::vector<int64_t> seen;
        int64_t id = 0;
        int wanted = 1 + round * 7 % 50;
        while (static_cast<int>(seen.size()) < wanted &&
               ::read(reader.get(), &id, sizeof id) == sizeof id)
            seen.push_back(id);
        usleep(static_cast<useconds_t>(round * 37 % 500));
        REQUIRE(kill(pid, SIGKILL) == 0);
        while (::read(reader.get(), &id, sizeof id) == sizeof id) seen.push_back(id);
        int status = 0;
        REQUIRE(waitpid(pid, &status, 0) == pid);
        REQUIRE(WIFSIGNALED(status));
        REQUIRE(static_cast<int>(seen.size()) >= wanted);

        auto db = must_open(path);
        Statement find = db->prepare("SELECT 1 FROM item WHERE id = ?").value();
        for (int64_t one : seen) {
            REQUIRE(find.bind(1, one).has_value());
            REQUIRE(find.step().value());
            find.reset();
        }
        acknowledged += static_cast<int64_t>(seen.size());
        unacknowledged_kept = count(*db) - acknowledged;
        REQUIRE(db->check_integrity().has_value());
    }
    CHECK(acknowledged > 60);
    CHECK(unacknowledged_kept >= 0);
}

// Catches: "disk I/O error" for a full disk; callers told of success; a service that needs a
// restart once there is room again.
TEST_CASE("a full disk is told in words, and writing goes on when there is room") {
    TempDir dir = std::move(TempDir::create().value());
    if (::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=1m") < 0) {
        MESSAGE("not root: the full disk was not tried");
        return;
    }
    {
        RealClock clock;
        auto loop = std::move(Loop::create(clock).value());
        auto db = must_open(dir.path() + "/state.db");
        GroupCommit group(*loop, *db);
        Status failed;
        int64_t good = 0;
        for (int64_t id = 0; failed && id < 1000; ++id) {
            group.submit([&, id] { return put(*db, id, std::string(8000, 'v')); },
                         [&](Status status) {
                             if (status)
                                 ++good;
                             else
                                 failed = std::move(status);
                         });
            REQUIRE(loop->turn(Millis(0)).has_value());
        }
        REQUIRE(!failed);
        CHECK(failed.error().code() == Code::kIo);
        CHECK(failed.error().sys_errno() == ENOSPC);
        CHECK(failed.error().message().find("disk full") != std::string::npos);
        CHECK(failed.error().message().find(dir.path() + "/state.db") != std::string::npos);
        CHECK(count(*db) == good);
        REQUIRE(::mount("tmpfs", dir.path().c_str(), "tmpfs", MS_REMOUNT, "size=16m") == 0);
        Status again = fail(Code::kIo, "not called");
        group.submit([&] { return put(*db, 5000, "v"); }, [&](Status s) { again = std::move(s); });
        group.flush();
        CHECK(again.has_value());
        CHECK(count(*db) == good + 1);
        CHECK(db->check_integrity().has_value());
    }
    REQUIRE(::umount(dir.path().c_str()) == 0);
}
