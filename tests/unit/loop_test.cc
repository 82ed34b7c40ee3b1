#include "event/loop.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

using namespace planetbox;

namespace {

struct Pipe {
    UniqueFd reader, writer;
    Pipe() {
        int fds[2];
        REQUIRE(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
        reader.reset(fds[0]);
        writer.reset(fds[1]);
    }
    void fill() { REQUIRE(::write(writer.get(), "x", 1) == 1); }
    void drain() {
        char c;
        REQUIRE(::read(reader.get(), &c, 1) == 1);
    }
};

struct Fixture {
    FakeClock clock{1'000'000};
    std::unique_ptr<Loop> loop = std::move(Loop::create(clock).value());
    std::string trace;
    void turn() { REQUIRE(loop->turn(Millis(0)).has_value()); }
    Loop::Callback say(const char* what) {
        return [this, what] { trace += what; };
    }
};

int open_fds() {
    int count = 0;
    for (int fd = 0; fd < 200; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
    return count;
}

}  // namespace

// Catches: a closure freed while it runs, and an event for a descriptor that is not watched any
// more.
TEST_CASE_FIXTURE(Fixture,
                  "a handler unwatches itself and others, whose fetched events are dropped") {
    Pipe a, b;
    auto both = [&](Pipe& mine, Pipe& other, const char* name) {
        return [this, &mine, &other, name, big = std::string(1000, 'x')](uint32_t events) {
            CHECK(events == EPOLLIN);
            loop->unwatch(mine.reader.get());
            loop->unwatch(other.reader.get());
            trace += name;
            CHECK(big.size() == 1000);  // still alive
        };
    };
    REQUIRE(loop->watch(a.reader.get(), EPOLLIN, both(a, b, "a")).has_value());
    REQUIRE(loop->watch(b.reader.get(), EPOLLIN, both(b, a, "b")).has_value());
    a.fill();
    b.fill();
    turn();
    CHECK((trace == "a" || trace == "b"));  // one of them, not both
    turn();
    CHECK(trace.size() == 1);
    loop->unwatch(a.reader.get());  // not watched: nothing happens
    loop->unwatch(-1);
    loop->unwatch(9999);
}

// Catches: an event of the old watch delivered to the new one on the same number.
TEST_CASE_FIXTURE(Fixture, "a number that is closed and reused in the same turn starts afresh") {
    Pipe a, b;
    int number = b.reader.get();
    REQUIRE(loop->watch(a.reader.get(), EPOLLIN,
                        [&](uint32_t) {
                            a.drain();
                            if (!b.reader.ok()) return;
                            loop->unwatch(number);
                            b.reader.reset();
                            b.writer.reset();
                            Pipe c;  // takes the lowest free numbers: b's
                            REQUIRE(c.reader.get() == number);
                            REQUIRE(loop->watch(number, EPOLLIN, [&](uint32_t) { trace += "new"; })
                                        .has_value());
                            b.reader = std::move(c.reader);
                            b.writer = std::move(c.writer);
                        })
                .has_value());
    REQUIRE(loop->watch(number, EPOLLIN,
                        [&](uint32_t) {
                            trace += "old";
                            b.drain();
                        })
                .has_value());
    a.fill();
    b.fill();
    turn();
    turn();
    CHECK(trace.find("new") == std::string::npos);
    loop->unwatch(a.reader.get());
    loop->unwatch(number);
}

TEST_CASE_FIXTURE(Fixture, "modify changes what is waited for") {
    Pipe a;
    REQUIRE(loop->watch(a.writer.get(), 0, [&](uint32_t) { trace += "w"; }).has_value());
    turn();
    CHECK(trace == "");
    REQUIRE(loop->modify(a.writer.get(), EPOLLOUT).has_value());
    turn();
    CHECK(trace == "w");
    loop->unwatch(a.writer.get());
}

TEST_CASE_FIXTURE(Fixture,
                  "timers run in order of deadline, ties in order of birth, and not early") {
    loop->after(Millis(20), say("c"));
    loop->after(Millis(10), say("a"));
    loop->after(Millis(10), say("b"));
    Loop::TimerId gone = loop->after(Millis(5), say("x"));
    loop->cancel(gone);
    loop->cancel(gone);
    loop->cancel(0);
    clock.advance(Millis(9));
    turn();
    CHECK(trace == "");
    clock.advance(Millis(11));
    turn();
    CHECK(trace == "abc");
}

// Catches: a timer that is due at once and sets itself again, which would shut everything else out.
TEST_CASE_FIXTURE(Fixture, "timers set or cancelled by a timer") {
    Loop::TimerId later = 0;
    loop->after(Millis(1), [&] {
        trace += "1";
        loop->cancel(later);
        loop->after(Millis(0), say("n"));
        loop->after(Millis(-5), say("m"));
    });
    later = loop->after(Millis(2), say("never"));
    clock.advance(Millis(3));
    turn();
    CHECK(trace == "1");
    turn();
    CHECK(trace == "1nm");
    loop->after(std::chrono::nanoseconds::max(), say("never"));  // no overflow into the past
    turn();
    CHECK(trace == "1nm");
}

// Catches: a group commit that runs before the last handler of the turn, or a turn late.
TEST_CASE_FIXTURE(Fixture, "the end of the turn comes after descriptors and timers, once") {
    Pipe a, b;
    for (Pipe* pipe : {&a, &b})
        REQUIRE(loop->watch(pipe->reader.get(), EPOLLIN,
                            [&, pipe](uint32_t) {
                                pipe->drain();
                                trace += "h";
                                loop->at_end_of_turn([&] {
                                    trace += "e";
                                    if (trace.size() < 6) loop->at_end_of_turn(say("z"));
                                });
                            })
                    .has_value());
    loop->after(Millis(0), say("t"));
    a.fill();
    b.fill();
    turn();
    CHECK(trace == "hhtee");
    REQUIRE(loop->turn(Seconds(30)).has_value());  // does not sleep: a callback waits
    CHECK(trace == "hhteez" + std::string(trace.size() > 6 ? "z" : ""));
    std::string before = trace;
    turn();
    CHECK(trace == before);
    loop->unwatch(a.reader.get());
    loop->unwatch(b.reader.get());
}

// Catches: closures freed by an inner turn while the outer one still runs them.
TEST_CASE_FIXTURE(Fixture, "turns nest") {
    Pipe a, b;
    REQUIRE(loop->watch(a.reader.get(), EPOLLIN,
                        [&, big = std::string(1000, 'y')](uint32_t) {
                            a.drain();
                            loop->unwatch(a.reader.get());
                            b.fill();
                            turn();
                            CHECK(big.size() == 1000);
                            trace += "a";
                        })
                .has_value());
    REQUIRE(loop->watch(b.reader.get(), EPOLLIN,
                        [&](uint32_t) {
                            b.drain();
                            trace += "b";
                        })
                .has_value());
    a.fill();
    turn();
    CHECK(trace == "ba");
    loop->unwatch(b.reader.get());
}

// Catches: a handler's destructor that uses the tables while they are being destroyed.
TEST_CASE("what handlers hold may unwatch and cancel while the loop goes") {
    RealClock clock;
    auto loop = std::move(Loop::create(clock).value());
    Pipe a, b;
    struct Connection {
        Loop& loop;
        int fd;
        Loop::TimerId timer;
        ~Connection() {
            loop.unwatch(fd);
            loop.cancel(timer);
        }
    };
    for (Pipe* pipe : {&a, &b}) {
        auto connection = std::make_shared<Connection>(*loop, pipe->reader.get(), 0);
        connection->timer = loop->after(Seconds(60), [connection] {});
        REQUIRE(loop->watch(pipe->reader.get(), EPOLLIN, [connection](uint32_t) {}).has_value());
        loop->at_end_of_turn([connection] {});
    }
    loop.reset();
}

TEST_CASE("children are told once, with their status, and leave nothing behind") {
    RealClock clock;
    auto loop = std::move(Loop::create(clock).value());
    int before = open_fds();
    int told = 0;
    for (int i = 0; i < 5; ++i) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            if (i == 4) raise(SIGKILL);
            _exit(i);
        }
        REQUIRE(loop->on_child(pid,
                               [&, i](int status) {
                                   if (i == 4)
                                       CHECK(WTERMSIG(status) == SIGKILL);
                                   else
                                       CHECK(WEXITSTATUS(status) == i);
                                   if (++told == 5) loop->stop();
                               })
                    .has_value());
    }
    REQUIRE(loop->run().has_value());
    CHECK(told == 5);
    CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
    CHECK(errno == ECHILD);
    CHECK(open_fds() == before);
    // A child that is still there when the loop goes: its descriptor goes, too.
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    REQUIRE(loop->on_child(pid, [](int) {}).has_value());
    loop.reset();
    CHECK(open_fds() <= before - 1);
    REQUIRE(kill(pid, SIGKILL) == 0);
    waitpid(pid, nullptr, 0);
}

TEST_CASE("signals arrive as events; stop() before run() counts") {
    RealClock clock;
    auto loop = std::move(Loop::create(clock).value());
    int usr1 = 0;
    REQUIRE(loop->on_signal(SIGUSR1, [&] { ++usr1; }).has_value());
    REQUIRE(loop->on_signal(SIGUSR2, [&] { loop->stop(); }).has_value());
    raise(SIGUSR1);
    raise(SIGUSR2);
    REQUIRE(loop->run().has_value());
    CHECK(usr1 == 1);
    loop->stop();
    REQUIRE(loop->run().has_value());
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
}
