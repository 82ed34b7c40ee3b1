// The machine's clock, when its battery may be dead: a lower bound, and what is worth believing.
//
// A certificate is judged by the time, so a clock at 2003 keeps a machine from booting.  The image
// knows when it was made (/etc/planetbox/build-time, seconds since 1970): it cannot be earlier.  It
// can hardly be twenty years later either.  Outside of that the clock is in doubt, and the boot
// server, whose key the pinned CA has vouched for, is asked for the time (bootclient --set-clock).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace planetbox {

// Content of build-time; nullopt when it is no number between 2020 and 2200.
std::optional<int64_t> parse_build_time(std::string_view text);

enum class ClockDoubt { kNone, kBefore, kFarAfter };
ClockDoubt judge_clock(int64_t now, int64_t build_time);

Status set_system_clock(int64_t unix_seconds);
// Writes the system's time to the battery clock, so that the next boot's firmware and iPXE, which
// check certificates too, start with it.  kNotFound where there is no such clock.
Status write_rtc(int64_t unix_seconds);

}  // namespace planetbox
