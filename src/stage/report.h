// What a node tells its boot server after each try, in epoxy_client's form with fields of our own.
//
//     message       "success", or "error: …"
//     debug.config  kernel arguments and the action, as JSON, without session ids
//     code          the failure's code ("B09"); absent on success
//     stage         "stage3"
//     uptime        seconds since the kernel started
#pragma once

#include <string>
#include <string_view>

#include "net/http_message.h"
#include "stage/action.h"
#include "stage/failure.h"

namespace planetbox {

struct Report {
    bool success = false;
    Failure failure;
    std::string stage;
    int64_t uptime_seconds = 0;

    // "success" or "error: …", without session ids.
    std::string message() const;
};

// `action` may be null: there was none.
FormFields report_fields(const Report& report, const Kargs& kargs, const Action* action);
std::string encode_form(const FormFields& fields);

// The configuration as epoxy_client prints it (4 spaces, sorted names), without session ids.  One
// that is longer than 256 KiB is cut down to the kernel arguments.
std::string debug_config(const Kargs& kargs, const Action* action);

}  // namespace planetbox
