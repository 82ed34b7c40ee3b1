#include "init/system_clock.h"

#include <linux/rtc.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/strings.h"
#include "sys/files.h"

namespace planetbox {

namespace {

constexpr int64_t k2020 = 1'577'836'800, k2200 = 7'258'118'400;
constexpr int64_t kTwentyYears = 20LL * 365 * 86'400;

}  // namespace

std::optional<int64_t> parse_build_time(std::string_view text) {
    std::optional<int64_t> value = parse_int(trim(text));
    if (!value || *value < k2020 || *value > k2200) return std::nullopt;
    return value;
}

ClockDoubt judge_clock(int64_t now, int64_t build_time) {
    if (now < build_time) return ClockDoubt::kBefore;
    return now > build_time + kTwentyYears ? ClockDoubt::kFarAfter : ClockDoubt::kNone;
}

Status set_system_clock(int64_t unix_seconds) {
    timespec time{};
    time.tv_sec = unix_seconds;
    if (clock_settime(CLOCK_REALTIME, &time) < 0) return fail_errno("set the clock");
    return {};
}

Status write_rtc(int64_t unix_seconds) {
    UniqueFd rtc = TRY(open_file("/dev/rtc0", O_RDONLY));
    time_t seconds = unix_seconds;
    tm parts{};
    gmtime_r(&seconds, &parts);
    rtc_time time{};
    time.tm_sec = parts.tm_sec;
    time.tm_min = parts.tm_min;
    time.tm_hour = parts.tm_hour;
    time.tm_mday = parts.tm_mday;
    time.tm_mon = parts.tm_mon;
    time.tm_year = parts.tm_year;
    if (ioctl(rtc.get(), RTC_SET_TIME, &time) < 0) return fail_errno("/dev/rtc0");
    return {};
}

}  // namespace planetbox
