#include "central/restart_backoff.h"

#include <doctest/doctest.h>

using namespace planetbox;

TEST_CASE("the wait doubles to its cap and stays there") {
    FakeClock clock(1'700'000'000);
    RestartBackoff backoff;
    int64_t expected[] = {200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    for (int64_t millis : expected) {
        backoff.started(clock.mono());
        clock.advance(Seconds(1));
        CHECK(backoff.next_wait(clock.mono(), 0.5).count() == millis);
    }
    CHECK(backoff.failures() == 10);
}

TEST_CASE("jitter spreads by a quarter and never beyond the cap") {
    FakeClock clock(1'700'000'000);
    CHECK(RestartBackoff().next_wait(clock.mono(), 0.0).count() == 150);
    CHECK(RestartBackoff().next_wait(clock.mono(), 0.999).count() == 249);
    RestartBackoff backoff;
    for (int i = 0; i < 20; ++i) {
        backoff.started(clock.mono());
        CHECK(backoff.next_wait(clock.mono(), 0.999) <= Seconds(30));
    }
}

TEST_CASE("two healthy minutes forgive; a second less does not") {
    FakeClock clock(1'700'000'000);
    RestartBackoff backoff;
    for (int i = 0; i < 5; ++i) {
        backoff.started(clock.mono());
        backoff.next_wait(clock.mono(), 0.5);
    }
    backoff.started(clock.mono());
    clock.advance(Seconds(119));
    CHECK(backoff.next_wait(clock.mono(), 0.5) == Millis(6400));
    backoff.started(clock.mono());
    clock.advance(Seconds(120));
    CHECK(backoff.next_wait(clock.mono(), 0.5) == Millis(200));
    CHECK(backoff.failures() == 1);
}
