// Runs one command of a boot action, as epoxy_client does: its own standard output and error are
// inherited, nothing comes on its standard input, and a limit ends with SIGKILL for its whole
// process group.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "stage/waiter.h"

namespace planetbox {

// The error's message is what Go's os/exec would say: "exit status 1", "signal: killed",
// `exec: "x": executable file not found in $PATH`, "fork/exec /x: no such file or directory".
Status run_command(Waiter& waiter, const std::vector<std::string>& words,
                   const std::vector<std::string>& env, Millis limit);

// True when `words` call a kexec that is this very program, or when no such program exists: the
// caller then does it in its own process, and so learns the reason of a failure.
bool is_own_kexec(const std::vector<std::string>& words, const std::vector<std::string>& env);

}  // namespace planetbox
