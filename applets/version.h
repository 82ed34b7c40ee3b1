// What was built. The commit is filled in by Meson (version.cc.in); a build outside git says so.
#pragma once

#include <cstdint>
#include <string>

namespace planetbox {

extern const char kVcsTag[];  // "short-hash seconds", or "unknown 0"

// "0.1.0 (1a2b3c4)".
std::string version_text();

// The time of the commit this was built from, in seconds since 1970; 0 when unknown. No clock of a
// running machine can honestly be earlier, so init uses it as a lower bound. It is the commit's
// time and not the compiler's, so that the same commit gives the same bytes.
int64_t build_epoch();

}  // namespace planetbox
