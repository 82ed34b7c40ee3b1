#include "base/clock.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

constexpr int64_t k2026 = 1795255950;  // 2026-11-21T10:12:30Z

}  // namespace

TEST_CASE("RFC 3339, UTC, and Go's zero time") {
    CHECK(rfc3339(from_unix_seconds(k2026)) == "2026-11-21T10:12:30Z");
    CHECK(rfc3339(from_unix_seconds(k2026) + Millis(999)) == "2026-11-21T10:12:30Z");
    CHECK(rfc3339(WallTime{}) == "0001-01-01T00:00:00Z");
    CHECK(rfc3339(from_unix_seconds(-1)) == "1969-12-31T23:59:59Z");
    CHECK(parse_rfc3339("2026-11-21T10:12:30Z") == from_unix_seconds(k2026));
    CHECK(parse_rfc3339("0001-01-01T00:00:00Z") == WallTime{});
    CHECK(parse_rfc3339("2026-11-21t10:12:30z") == from_unix_seconds(k2026));
    CHECK(parse_rfc3339("2026-11-21T12:12:30+02:00") == from_unix_seconds(k2026));
    CHECK(parse_rfc3339("2026-11-21T04:42:30-05:30") == from_unix_seconds(k2026));
    CHECK(parse_rfc3339("2026-11-21T10:12:30.5Z") == from_unix_seconds(k2026) + Millis(500));
    CHECK(parse_rfc3339("2026-11-21T10:12:30.1234567891Z") ==
          from_unix_seconds(k2026) + std::chrono::nanoseconds(123456789));
    CHECK(parse_rfc3339("2024-02-29T00:00:00Z").has_value());
}

// Catches: dates that do not exist, and half a time read as a whole one.
TEST_CASE("what is no RFC 3339 time") {
    for (const char* bad :
         {"", "2026-11-21", "2026-11-21T10:12:30", "2026-11-21 10:12:30Z", "2026-13-01T00:00:00Z",
          "2026-02-29T00:00:00Z", "2026-00-10T00:00:00Z", "2026-11-00T00:00:00Z",
          "2026-11-21T24:00:00Z", "2026-11-21T10:60:00Z", "2026-11-21T10:12:61Z",
          "2026-11-21T10:12:30.Z", "2026-11-21T10:12:30Zx", "2026-11-21T10:12:30+2:00",
          "2026-11-21T10:12:30+25:00", "2026-11-21T10:12:30+02:60", "2026-11-21T10:12:30*02:00",
          "-026-11-21T10:12:30Z", "2026-11-21T1 :12:30Z"}) {
        CAPTURE(bad);
        CHECK(!parse_rfc3339(bad));
    }
}

// Catches: a certificate "without end" (year 9999) whose date wraps round into the past.
TEST_CASE("times beyond what nanoseconds hold are the last or first that they hold") {
    CHECK(parse_rfc3339("9999-12-31T23:59:59Z") == WallTime::max());
    CHECK(parse_rfc3339("2263-01-01T00:00:00Z") == WallTime::max());
    CHECK(*parse_rfc3339("1500-01-01T00:00:00Z") == WallTime::min());
    CHECK(parse_rfc3339("2262-04-11T00:00:00Z") < WallTime::max());
    CHECK(parse_rfc3339("9999-12-31T23:59:59.9-23:59") == WallTime::max());
    CHECK(from_unix_seconds(INT64_MAX) == WallTime::max());
    CHECK(from_unix_seconds(INT64_MIN) == WallTime::min());
    CHECK(rfc3339(WallTime::max()) == "2262-04-11T23:47:16Z");
}

TEST_CASE("HTTP dates") {
    CHECK(http_date(from_unix_seconds(k2026)) == "Sat, 21 Nov 2026 10:12:30 GMT");
    CHECK(parse_http_date("Sat, 21 Nov 2026 10:12:30 GMT") == from_unix_seconds(k2026));
    for (const char* bad : {"", "Sat, 21 Nov 2026 10:12:30 CET", "Sat, 21 Noo 2026 10:12:30 GMT",
                            "Sat, 31 Feb 2026 10:12:30 GMT", "Sat, 21 Nov 2026 25:12:30 GMT",
                            "Sat- 21 Nov 2026 10:12:30 GMT", "Sat, 21-Nov 2026 10:12:30 GMT",
                            "Saturday, 21-Nov-26 10:12:30 GMT"}) {
        CAPTURE(bad);
        CHECK(!parse_http_date(bad));
    }
}

TEST_CASE("Go's durations") {
    using std::chrono::nanoseconds;
    CHECK(parse_duration("0") == nanoseconds(0));
    CHECK(parse_duration("0s") == nanoseconds(0));
    CHECK(parse_duration("1h30m") == Seconds(5400));
    CHECK(parse_duration("1.5s") == Millis(1500));
    CHECK(parse_duration(".5s") == Millis(500));
    CHECK(parse_duration("10ms") == Millis(10));
    CHECK(parse_duration("1m0.25s") == Millis(60250));
    CHECK(parse_duration("3us") == nanoseconds(3000));
    CHECK(parse_duration("3µs") == nanoseconds(3000));  // U+00B5
    CHECK(parse_duration("3μs") == nanoseconds(3000));  // U+03BC
    CHECK(parse_duration("7ns") == nanoseconds(7));
    CHECK(parse_duration("2540400h") == Seconds(2540400LL * 3600));  // 290 years still fit
    for (const char* bad : {"", "5", "s", "1", "-1s", "1 s", " 1s", "1s ", "1x", "1..5s", ".s",
                            "1h30", "99999999999999999999s", "2600000h", "1e3s", "0x1s", "infs"}) {
        CAPTURE(bad);
        CHECK(!parse_duration(bad));
    }
}

TEST_CASE("durations for people") {
    CHECK(human_duration(Millis(12)) == "12 ms");
    CHECK(human_duration(Millis(3200)) == "3.2 s");
    CHECK(human_duration(Seconds(65)) == "1 min 5 s");
    CHECK(human_duration(Seconds(7800)) == "2 h 10 min");
    CHECK(human_duration(Seconds(86400 * 9)) == "9 days");
}

TEST_CASE("a fake clock moves both of its times, or jumps the wall") {
    FakeClock clock(1000);
    MonoTime start = clock.mono();
    clock.advance(Seconds(5));
    CHECK(unix_seconds(clock.wall()) == 1005);
    CHECK(clock.mono() - start == Seconds(5));
    clock.set_wall(10);
    CHECK(unix_seconds(clock.wall()) == 10);
    CHECK(clock.mono() - start == Seconds(5));
    CHECK(unix_seconds(from_unix_seconds(-5) - Millis(1)) == -6);
}
