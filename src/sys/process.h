// Starting other programs, and ourselves in another role.
//
// spawn() forks and execs.  What fails between fork and exec comes back as a {step, errno} pair
// through a CLOEXEC pipe, so the caller's error names the step ("chdir /x: No such file…"); an end
// of file on that pipe means exec has happened.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace planetbox {

struct SpawnOptions {
    std::vector<std::string> argv;                // argv[0] without '/' is looked up in PATH
    std::optional<std::vector<std::string>> env;  // "K=V"; absent = this process's own
    std::string cwd;                              // empty = unchanged
    int stdin_fd = -1;                            // -1 = /dev/null
    int stdout_fd = -1;                           // -1 = inherited
    int stderr_fd = -1;                           // -1 = inherited
    std::vector<std::pair<int, int>> extra_fds;   // {ours, number in the child}
    bool new_session = false;                     // setsid: its own process group to kill
    bool die_with_parent = false;                 // PR_SET_PDEATHSIG SIGKILL
    // Run the file of this very process (/proc/self/exe); argv[0] then chooses the applet.
    bool self = false;
    // Runs in the child before exec; async-signal-safe work only.  Returns the failed step's name
    // (errno set), or nullptr.
    std::function<const char*()> in_child;
};

// Returns the pid.  kNotFound (message `exec: "x": executable file not found in $PATH`) when there
// is no such program.  All signals are unblocked and default in the child.
Result<pid_t> spawn(const SpawnOptions& options);

// A finished program.
struct Finished {
    int wait_status = 0;  // as waitpid(2) gives it
    std::string output;   // stdout, and stderr where asked for
    bool timed_out = false;
    bool ok() const { return wait_status == 0 && !timed_out; }
};
// "exit status 1", "signal: killed": the words Go's os/exec uses, which operators grep for.
std::string describe_wait_status(int wait_status);

// Runs to the end and collects stdout (with stderr when `with_stderr`), at most `limit` bytes (more
// is kTooLarge, the program is killed).  After `deadline` its process group is killed and timed_out
// set. `input` is written to its stdin.  Blocks: for command-line applets and workers, not for
// daemons.
Result<Finished> run_program(SpawnOptions options, Millis deadline, size_t limit = 1 << 20,
                             std::string_view input = {}, bool with_stderr = false);

}  // namespace planetbox
