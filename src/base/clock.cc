#include "base/clock.h"

#include <ctime>

#include "base/strings.h"

namespace planetbox {

static std::chrono::nanoseconds read_clock(clockid_t id) {
    timespec now{};
    clock_gettime(id, &now);
    return Seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

WallTime RealClock::wall() const { return WallTime(read_clock(CLOCK_REALTIME)); }
MonoTime RealClock::mono() const { return MonoTime(read_clock(CLOCK_MONOTONIC)); }

static tm broken_down(WallTime time) {
    time_t seconds = unix_seconds(time);
    tm parts{};
    gmtime_r(&seconds, &parts);
    return parts;
}

std::string rfc3339(WallTime time) {
    if (time == WallTime{}) return "0001-01-01T00:00:00Z";
    tm t = broken_down(time);
    return strf("%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                t.tm_hour, t.tm_min, t.tm_sec);
}

static std::optional<int> digits(std::string_view text, size_t at, size_t count) {
    if (at + count > text.size()) return std::nullopt;
    int value = 0;
    for (size_t i = at; i < at + count; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

// Seconds from 1970-01-01 to a time of the proleptic Gregorian calendar.
static std::optional<Seconds> from_parts(int year, int month, int day, int hour, int minute,
                                         int second) {
    using namespace std::chrono;
    year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                        std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    return seconds(sys_days(date).time_since_epoch()) + hours(hour) + minutes(minute) +
           seconds(second);
}

// "Z" or "+hh:mm".
static std::optional<Seconds> zone_offset(std::string_view zone) {
    if (zone == "Z" || zone == "z") return Seconds(0);
    auto hour = digits(zone, 1, 2), minute = digits(zone, 4, 2);
    if (zone.size() != 6 || !hour || !minute || zone[3] != ':' || *hour > 23 || *minute > 59)
        return std::nullopt;
    Seconds offset = std::chrono::hours(*hour) + std::chrono::minutes(*minute);
    if (zone[0] == '+') return offset;
    if (zone[0] == '-') return -offset;
    return std::nullopt;
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
    if (text == "0001-01-01T00:00:00Z") return WallTime{};
    auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
        text[13] != ':' || text[16] != ':')
        return std::nullopt;
    auto time = from_parts(*year, *month, *day, *hour, *minute, *second);
    if (!time) return std::nullopt;
    size_t at = 19;
    int64_t nanos = 0;
    if (at < text.size() && text[at] == '.') {
        int64_t scale = 100'000'000;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
            nanos += (text[at] - '0') * scale;
        if (at == 20) return std::nullopt;
    }
    auto offset = zone_offset(text.substr(at));
    if (!offset) return std::nullopt;
    WallTime whole = from_unix_seconds((*time - *offset).count());
    if (whole == WallTime::max() || whole == WallTime::min()) return whole;
    return whole + std::chrono::nanoseconds(nanos);
}

static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::string http_date(WallTime time) {
    tm t = broken_down(time);
    return strf("%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[t.tm_wday], t.tm_mday,
                kMonths[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

std::optional<WallTime> parse_http_date(std::string_view text) {
    if (text.size() != 29 || !text.ends_with(" GMT") || text.substr(3, 2) != ", " ||
        text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':')
        return std::nullopt;
    auto day = digits(text, 5, 2), year = digits(text, 12, 4), hour = digits(text, 17, 2);
    auto minute = digits(text, 20, 2), second = digits(text, 23, 2);
    if (!day || !year || !hour || !minute || !second) return std::nullopt;
    for (int month = 0; month < 12; ++month)
        if (text.substr(8, 3) == kMonths[month])
            if (auto time = from_parts(*year, month + 1, *day, *hour, *minute, *second))
                return from_unix_seconds(time->count());
    return std::nullopt;
}

static std::optional<double> unit_nanos(std::string_view unit) {
    if (unit == "ns") return 1;
    if (unit == "us" || unit == "µs" || unit == "μs") return 1e3;
    if (unit == "ms") return 1e6;
    if (unit == "s") return 1e9;
    if (unit == "m") return 60e9;
    if (unit == "h") return 3600e9;
    return std::nullopt;
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    if (text == "0") return std::chrono::nanoseconds(0);
    if (text.empty()) return std::nullopt;
    double total = 0;
    while (!text.empty()) {
        size_t number_end = text.find_first_not_of("0123456789.");
        if (number_end == 0 || number_end == std::string_view::npos) return std::nullopt;
        std::string_view number = text.substr(0, number_end);
        text.remove_prefix(number_end);
        size_t unit_end = text.find_first_of("0123456789.");
        auto scale = unit_nanos(text.substr(0, unit_end));
        text.remove_prefix(unit_end == std::string_view::npos ? text.size() : unit_end);
        auto whole_and_part = split_once(number, '.');
        std::string_view whole = whole_and_part ? whole_and_part->first : number;
        std::string_view part = whole_and_part ? whole_and_part->second : std::string_view();
        auto whole_value = whole.empty() ? std::optional<uint64_t>(0) : parse_uint(whole);
        if (!scale || !whole_value || (whole.empty() && part.empty())) return std::nullopt;
        double value = static_cast<double>(*whole_value), digit_scale = 0.1;
        for (char c : part) {
            if (c == '.') return std::nullopt;
            value += (c - '0') * digit_scale;
            digit_scale /= 10;
        }
        total += value * *scale;
    }
    if (total > 9.2e18) return std::nullopt;
    return std::chrono::nanoseconds(static_cast<int64_t>(total + 0.5));
}

std::string human_duration(std::chrono::nanoseconds duration) {
    double seconds = std::chrono::duration<double>(duration).count();
    if (seconds < 1) return strf("%.0f ms", seconds * 1e3);
    if (seconds < 60) return strf("%.1f s", seconds);
    auto whole = static_cast<long>(seconds);
    if (whole < 3600) return strf("%ld min %ld s", whole / 60, whole % 60);
    if (whole < 48 * 3600) return strf("%ld h %ld min", whole / 3600, whole / 60 % 60);
    return strf("%ld days", whole / 86400);
}

}  // namespace planetbox
