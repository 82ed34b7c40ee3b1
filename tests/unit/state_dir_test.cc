#include "central/state_dir.h"

#include <sys/wait.h>
#include <unistd.h>

#include "sys/files.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

mode_t mode_of(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

}  // namespace

TEST_CASE("an empty directory becomes a state that others cannot look into") {
    auto tmp = TempDir::create();
    REQUIRE(tmp);
    StateDir state(tmp->path() + "/a/b/state///");
    CHECK(state.path() == tmp->path() + "/a/b/state");
    REQUIRE(prepare_state_dir(state, nullptr));
    CHECK(mode_of(state.path()) == 0700);
    CHECK(mode_of(state.tls_dir()) == 0700);
    CHECK(mode_of(state.keys_dir()) == 0700);
    CHECK(mode_of(state.images()) == 0755);
    CHECK_FALSE(has_state(state));
    CHECK(prepare_state_dir(state, nullptr));  // again: nothing to complain about
}

TEST_CASE("somebody's own directory is not scattered over with keys") {
    auto tmp = TempDir::create();
    REQUIRE(tmp);
    REQUIRE(write_file_atomic(tmp->path() + "/thesis.tex", "x"));
    Status status = prepare_state_dir(StateDir(tmp->path()), nullptr);
    REQUIRE_FALSE(status);
    CHECK(status.error().message().find("thesis.tex") != std::string::npos);
    CHECK_FALSE(file_exists(tmp->path() + "/tls"));
}

TEST_CASE("a configuration put there first and an interrupted run are no strangers") {
    auto tmp = TempDir::create();
    REQUIRE(tmp);
    for (const char* name : {"planetbox.conf", "state.db", "state.db-wal", "lock"})
        REQUIRE(write_file_atomic(tmp->path() + "/" + name, ""));
    REQUIRE(make_dirs(tmp->path() + "/ca.new"));
    CHECK(prepare_state_dir(StateDir(tmp->path()), nullptr));
}

TEST_CASE("keys that were left open are closed, and it is said") {
    auto tmp = TempDir::create();
    REQUIRE(tmp);
    StateDir state(tmp->path() + "/s");
    REQUIRE(prepare_state_dir(state, nullptr));
    REQUIRE(make_dirs(state.ca_dir(), 0777));
    ::chmod(state.ca_dir().c_str(), 0777);
    REQUIRE(write_file_atomic(state.ca_key(), "key", 0644));
    std::vector<std::string> repaired;
    REQUIRE(prepare_state_dir(state, &repaired));
    CHECK(repaired.size() == 2);
    CHECK(mode_of(state.ca_dir()) == 0700);
    CHECK(mode_of(state.ca_key()) == 0600);
}

TEST_CASE("a file where a directory should be is named") {
    auto tmp = TempDir::create();
    REQUIRE(tmp);
    REQUIRE(write_file_atomic(tmp->path() + "/images", ""));
    Status status = prepare_state_dir(StateDir(tmp->path()), nullptr);
    REQUIRE_FALSE(status);
    CHECK(status.error().message().find("/images: is not a directory") != std::string::npos);
}

TEST_CASE("a second process is told who holds the state, and gets it when that one ends") {
    auto tmp = TempDir::create();
    REQUIRE(tmp);
    StateDir state(tmp->path());
    CHECK(*state_lock_holder(state) == 0);  // no lock file yet
    int to_child[2], from_child[2];
    REQUIRE(::pipe(to_child) == 0);
    REQUIRE(::pipe(from_child) == 0);
    pid_t child = ::fork();
    if (child == 0) {
        ::close(to_child[1]);
        Result<StateLock> lock = StateLock::take(state);
        char byte = lock ? 'y' : 'n';
        (void)!::write(from_child[1], &byte, 1);
        (void)!::read(to_child[0], &byte, 1);
        ::_exit(0);
    }
    ::close(to_child[0]);
    char byte = 0;
    REQUIRE(::read(from_child[0], &byte, 1) == 1);
    CHECK(byte == 'y');
    CHECK(*state_lock_holder(state) == child);
    {
        Result<StateLock> lock = StateLock::take(state);
        REQUIRE_FALSE(lock);
        CHECK(lock.error().code() == Code::kConflict);
        CHECK(lock.error().message().find("pid " + std::to_string(child)) != std::string::npos);
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(*state_lock_holder(state) == 0);
    CHECK(StateLock::take(state));
    for (int fd : {to_child[1], from_child[0], from_child[1]}) ::close(fd);
}
