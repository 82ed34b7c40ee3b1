#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "central/notify_receiver.h"
#include "event/watchdog.h"
#include "sys/notify.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

// Turns the loop until `done` or five seconds.
template <typename Done>
bool turn_until(Loop& loop, const Done& done) {
    RealClock clock;
    MonoTime end = clock.mono() + Seconds(5);
    while (!done() && clock.mono() < end)
        if (!loop.turn(Millis(50))) return false;
    return done();
}

struct Environment {
    ~Environment() {
        for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
            ::unsetenv(name);
    }
    void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
};

}  // namespace

TEST_CASE("what a daemon says arrives, with the kernel's word on who said it") {
    RealClock clock;
    auto loop = Loop::create(clock);
    REQUIRE(loop);
    std::vector<std::string> heard;
    pid_t who = 0;
    auto receiver = NotifyReceiver::create(**loop, [&](pid_t from, std::string_view lines) {
        who = from;
        heard.emplace_back(lines);
    });
    REQUIRE(receiver);
    Environment environment;
    environment.set("NOTIFY_SOCKET", (*receiver)->address());
    notify_ready();
    notify_manager("STATUS=two lines\nWATCHDOG=1");
    REQUIRE(turn_until(**loop, [&] { return heard.size() == 2; }));
    CHECK(heard[0] == "READY=1");
    CHECK(notification_has(heard[1], "WATCHDOG=1"));
    CHECK(who == ::getpid());
}

TEST_CASE("a line that only begins or ends like another is not that line") {
    CHECK(notification_has("READY=1", "READY=1"));
    CHECK(notification_has("STATUS=x\nREADY=1\n", "READY=1"));
    CHECK_FALSE(notification_has("READY=10", "READY=1"));
    CHECK_FALSE(notification_has("STATUS=READY=1", "READY=1"));
    CHECK_FALSE(notification_has("", "READY=1"));
}

TEST_CASE("without a supervisor, or with nonsense for one, nothing happens") {
    ::unsetenv("NOTIFY_SOCKET");
    notify_ready();
    Environment environment;
    for (const std::string& address : {std::string("relative"), std::string("@"), std::string(""),
                                       "/" + std::string(500, 'x'), std::string("/nowhere")}) {
        environment.set("NOTIFY_SOCKET", address);
        notify_ready();
    }
}

TEST_CASE("the watchdog is somebody else's when its pid is another") {
    Environment environment;
    CHECK_FALSE(watchdog_interval());
    environment.set("WATCHDOG_USEC", "3000000");
    CHECK(watchdog_interval() == Millis(3000));
    environment.set("WATCHDOG_PID", std::to_string(::getpid() + 1));
    CHECK_FALSE(watchdog_interval());
    environment.set("WATCHDOG_PID", std::to_string(::getpid()));
    CHECK(watchdog_interval() == Millis(3000));
    environment.set("WATCHDOG_USEC", "soon");
    CHECK_FALSE(watchdog_interval());
}

TEST_CASE("a turning loop feeds the watchdog again and again") {
    RealClock clock;
    auto loop = Loop::create(clock);
    REQUIRE(loop);
    int pings = 0;
    auto receiver = NotifyReceiver::create(**loop, [&](pid_t, std::string_view lines) {
        pings += notification_has(lines, "WATCHDOG=1");
    });
    REQUIRE(receiver);
    Environment environment;
    environment.set("NOTIFY_SOCKET", (*receiver)->address());
    environment.set("WATCHDOG_USEC", "30000");
    keep_watchdog_fed(**loop);
    CHECK(turn_until(**loop, [&] { return pings >= 3; }));
}
