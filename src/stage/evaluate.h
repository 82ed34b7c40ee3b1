// From an action's templates to the words of its commands, in epoxy_client's order: variables
// (which see kernel arguments), the files' addresses (and variables), then environment and commands
// (and files).  Nothing here touches the system.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "stage/action.h"

namespace planetbox {

// Replaces every variable by its value.  Variables do not see each other.
Status evaluate_vars(Action& action, const Kargs& kargs);

// Replaces every file's "url" by its value.  Errors: "URL key not found in file spec".
Status evaluate_file_urls(Action& action, const Kargs& kargs);

// The environment for the commands: `base` ("K=V") with the action's entries on top.
Result<std::vector<std::string>> evaluate_env(const Action& action, const Kargs& kargs,
                                              const std::vector<std::string>& base);

// The words of every command; comments yield an empty list.  A command that is one string is
// expanded, split, and each word expanded again.
Result<std::vector<std::vector<std::string>>> evaluate_commands(const Action& action,
                                                                const Kargs& kargs);

}  // namespace planetbox
