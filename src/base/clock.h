// Time comes in as a Clock, so that tests can advance it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace planetbox {

using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
// Nanoseconds since the Unix epoch (wall) or since some start (monotonic).
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

class Clock {
public:
    virtual ~Clock() = default;
    virtual WallTime wall() const = 0;  // may jump
    virtual MonoTime mono() const = 0;  // never goes back; for deadlines
};

class RealClock final : public Clock {
public:
    WallTime wall() const override;
    MonoTime mono() const override;
};

class FakeClock final : public Clock {
public:
    explicit FakeClock(int64_t unix_seconds) : wall_(Seconds(unix_seconds)), mono_(Seconds(1)) {}
    WallTime wall() const override { return wall_; }
    MonoTime mono() const override { return mono_; }
    void advance(std::chrono::nanoseconds by) {
        wall_ += by;
        mono_ += by;
    }
    void set_wall(int64_t unix_seconds) { wall_ = WallTime(Seconds(unix_seconds)); }

private:
    WallTime wall_;
    MonoTime mono_;
};

inline int64_t unix_seconds(WallTime time) {
    return std::chrono::floor<Seconds>(time).time_since_epoch().count();
}
// Nanoseconds in 64 bits reach from 1677 to 2262; times beyond are the first or last of these (a
// certificate "without end" says 9999).
inline WallTime from_unix_seconds(int64_t seconds) {
    if (seconds > std::chrono::floor<Seconds>(WallTime::max()).time_since_epoch().count())
        return WallTime::max();
    if (seconds < std::chrono::ceil<Seconds>(WallTime::min()).time_since_epoch().count())
        return WallTime::min();
    return WallTime(Seconds(seconds));
}

// RFC 3339, UTC: "2026-11-21T10:12:30Z"; time zero prints as Go's zero time "0001-01-01T00:00:00Z"
// because that is what ePoxy's files hold for "never".
std::string rfc3339(WallTime time);
std::optional<WallTime> parse_rfc3339(std::string_view text);
// RFC 9110 date: "Sat, 21 Nov 2026 10:12:30 GMT", without touching a locale.
std::string http_date(WallTime time);
std::optional<WallTime> parse_http_date(std::string_view text);

// Go's duration form, as its flags take it: "1h30m", "10ms", "1.5s"; "0".  Negative is refused.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
// "3.2 s", "1 min 5 s", "2 h 10 min": for people.
std::string human_duration(std::chrono::nanoseconds duration);

}  // namespace planetbox
