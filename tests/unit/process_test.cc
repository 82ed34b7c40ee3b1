#include "sys/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.h"
#include "sys/files.h"

using namespace planetbox;

namespace {

SpawnOptions sh(const std::string& script) {
    SpawnOptions options;
    options.argv = {"/bin/sh", "-c", script};
    return options;
}

Finished run(SpawnOptions options, std::string_view input = {}, bool with_stderr = false) {
    auto done = run_program(std::move(options), Millis(20'000), 1 << 20, input, with_stderr);
    if (!done) FAIL(done.error().message());
    return std::move(*done);
}

}  // namespace

TEST_CASE("output, input and status come through") {
    Finished done = run(sh("cat; echo err >&2; exit 3"), "some input", true);
    CHECK(done.output == "some inputerr\n");
    CHECK(describe_wait_status(done.wait_status) == "exit status 3");
    CHECK(!done.ok());
    CHECK(run(sh("echo err >&2; echo out")).output == "out\n");
    std::string large(3 << 18, 'x');  // more than a pipe holds, both ways at once
    CHECK(run(sh("cat"), large).output == large);
    CHECK(run(sh("exit 0"), large).ok());  // does not read its input: no SIGPIPE for us
    CHECK(describe_wait_status(run(sh("kill -9 $$")).wait_status) == "signal: killed");
    CHECK(describe_wait_status(run(sh("kill -15 $$")).wait_status) == "signal: terminated");
}

// Catches: an operator told "exit status 127" instead of what failed.
TEST_CASE("a step that fails before exec is named, with its errno") {
    SpawnOptions options = sh("true");
    options.cwd = "/no/such/directory";
    auto pid = spawn(options);
    REQUIRE(!pid);
    CHECK(pid.error().code() == Code::kNotFound);
    CHECK(pid.error().message() == "chdir /bin/sh: No such file or directory");

    options = sh("true");
    options.argv[0] = "/etc/passwd";
    pid = spawn(options);
    REQUIRE(!pid);
    CHECK(pid.error().sys_errno() == EACCES);
    CHECK(pid.error().message().starts_with("exec /etc/passwd: "));

    options = sh("true");
    options.in_child = []() -> const char* {
        errno = ENOSYS;
        return "mount";
    };
    pid = spawn(options);
    REQUIRE(!pid);
    CHECK(pid.error().sys_errno() == ENOSYS);
    CHECK(pid.error().message().starts_with("mount "));

    options.in_child = nullptr;
    options.argv = {"no-such-program-anywhere"};
    pid = spawn(options);
    REQUIRE(!pid);
    CHECK(pid.error().code() == Code::kNotFound);
    CHECK(pid.error().message() ==
          "exec: \"no-such-program-anywhere\": executable file not found in $PATH");
    CHECK(waitpid(-1, nullptr, WNOHANG) == -1);  // no zombies of what did not start
}

TEST_CASE("PATH is the child's, and a directory is no program") {
    TempDir dir = std::move(TempDir::create().value());
    REQUIRE(make_dirs(dir.path() + "/a/tool").has_value());
    REQUIRE(make_dirs(dir.path() + "/b").has_value());
    REQUIRE(
        write_file_atomic(dir.path() + "/b/tool", "#!/bin/sh\necho found $X\n", 0755).has_value());
    SpawnOptions options;
    options.argv = {"tool"};
    options.env = {"PATH=" + dir.path() + "/a:" + dir.path() + "/b", "X=1"};
    CHECK(run(options).output == "found 1\n");
}

// Catches: descriptors that take each other's place while they are placed.
TEST_CASE("descriptors land where they are wanted, in any permutation, and no others pass") {
    TempDir dir = std::move(TempDir::create().value());
    auto file = [&](const char* name) {
        REQUIRE(write_file_atomic(dir.path() + "/" + name, name).has_value());
        return std::move(open_file(dir.path() + "/" + name, O_RDONLY).value());
    };
    UniqueFd a = file("a"), b = file("b"), leak = file("leak");
    SpawnOptions options =
        sh(strf("cat /proc/self/fd/%d /proc/self/fd/%d; cat; test -e /proc/$$/fd/%d && echo leak",
                a.get(), b.get(), leak.get()));
    options.extra_fds = {{a.get(), b.get()}, {b.get(), a.get()}};  // swapped
    Finished done = run(options, "in");
    CHECK(done.output == "bain");

    SpawnOptions same = sh(strf("cat /proc/self/fd/%d", a.get()));
    same.extra_fds = {{a.get(), a.get()}};  // its own number: must lose CLOEXEC
    CHECK(run(same).output == "a");
}

// Catches: signals blocked or ignored by a daemon that its children inherit for ever.
TEST_CASE("a child starts with all signals unblocked and default") {
    sigset_t set, before;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, &before);
    signal(SIGHUP, SIG_IGN);
    Finished done = run(sh("grep -E 'SigBlk|SigIgn' /proc/self/status"));
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    CHECK(done.output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

// Catches: a hanging helper that holds a daemon for ever, and its children that stay behind.
TEST_CASE("the deadline kills the whole group") {
    TempDir dir = std::move(TempDir::create().value());
    RealClock clock;
    MonoTime start = clock.mono();
    auto done = run_program(sh("sleep 1000 & echo $!; sleep 1000"), Millis(300));
    REQUIRE(done);
    CHECK(done->timed_out);
    CHECK(!done->ok());
    CHECK(describe_wait_status(done->wait_status) == "signal: killed");
    CHECK(clock.mono() - start < Seconds(15));
    auto child = parse_int(trim(done->output));
    REQUIRE(child);
    // It is killed too, but only its reaper (init) can say when it is gone.
    MonoTime until = clock.mono() + Seconds(10);
    auto state = [&] {
        auto text = read_file(strf("/proc/%d/stat", static_cast<int>(*child)), 4096);
        return text ? text->substr(text->rfind(')') + 2, 1) : "gone";
    };
    while (state() != "gone" && state() != "Z" && clock.mono() < until) usleep(1000);
    CHECK((state() == "gone" || state() == "Z"));

    // It closes its output and goes on: the deadline counts all the same.
    done = run_program(sh("exec >&- 2>&-; sleep 1000"), Millis(300));
    REQUIRE(done);
    CHECK(done->timed_out);
}

TEST_CASE("too much output is an error, and ends the program") {
    auto done = run_program(sh("yes"), Millis(20'000), 10'000);
    REQUIRE(!done);
    CHECK(done.error().code() == Code::kTooLarge);
    CHECK(done.error().message().find("10000 bytes") != std::string::npos);
    CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("a child that must die with its parent does") {
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    UniqueFd reader(fds[0]), writer(fds[1]);
    pid_t parent = fork();
    REQUIRE(parent >= 0);
    if (parent == 0) {
        SpawnOptions options = sh("exec sleep 1000");
        options.die_with_parent = true;
        options.stdout_fd = writer.get();  // held open as long as the grandchild lives
        _exit(spawn(options) ? 0 : 1);
    }
    writer.reset();
    int status = 0;
    waitpid(parent, &status, 0);
    CHECK(status == 0);
    char c;
    CHECK(::read(reader.get(), &c, 1) ==
          0);  // end of file: it is gone (the test's limit is the watchdog)
}
