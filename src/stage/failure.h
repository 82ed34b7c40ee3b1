// From what went wrong to the short code that the console shows and `bootadm log` knows.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace planetbox {

// What a bootclient run was about when it failed: the same 404 means an unknown node in one phase
// and a missing image in another.
enum class Phase { kAskStage, kFollowChain, kReadAction, kDownload, kCommand, kKexec };

// A run that failed: the message as epoxy_client would word it, and the code.
struct Failure {
    std::string message;
    std::string_view code;
    bool refused = false;  // the boot server answered, and said no (403, 409, 410)
};

Failure classify(Phase phase, const Error& error);
Failure classify_status(Phase phase, int status, std::string message);

// "B09: A downloaded file is … See which file …": one line for the console.
std::string explain_failure(std::string_view code);

}  // namespace planetbox
