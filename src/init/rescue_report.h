// Tells central that a node is in rescue, and why: one report in ePoxy's form with code B16.
//
// A process of its own (`init --report-rescue`), so that PID 1 neither holds a TLS session nor
// waits.
#pragma once

#include <string_view>

#include "base/result.h"
#include "wire/kargs.h"

namespace planetbox {

// Blocks for at most 30 s.  kNotFound when the command line has no epoxy.report.
Status send_rescue_report(const Kargs& kargs, std::string_view ca_pem, std::string_view why);

}  // namespace planetbox
