// The kernel command line as ePoxy's client reads it: what a boot stage learns of its node and of
// its boot server.  Used by bootclient (stage/) and init, and written by whoever starts a kernel.
//
// The rules are epoxy_client's, on purpose simpler than the kernel's own: words are separated by
// single spaces, the first '=' ends the name, a word without '=' has an empty value, the last of
// several wins, and quotes are ordinary characters.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace planetbox {

using Kargs = std::map<std::string, std::string, std::less<>>;

// Never fails: there is no wrong command line.  Empty words (two spaces in a row) are dropped.
Kargs parse_kargs(std::string_view cmdline);

// Reads /proc/cmdline, or a file that stands for it; at most 64 KiB.
Result<Kargs> read_kargs(const std::string& path = "/proc/cmdline");

// The value, or "" when the name is not there: what templates and scripts mean by a missing one.
std::string_view karg(const Kargs& kargs, std::string_view name);

}  // namespace planetbox
