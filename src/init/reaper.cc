#include "init/reaper.h"

#include <signal.h>
#include <sys/wait.h>

namespace planetbox {

Status Reaper::start() {
    return loop_.on_signal(SIGCHLD, [this] { reap(); });
}

bool Reaper::reap() {
    for (;;) {
        int status = 0;
        pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) return pid == 0;
        auto found = handlers_.find(pid);
        if (found == handlers_.end()) {
            ++orphans_;
            continue;
        }
        Loop::ChildHandler handler = std::move(found->second);
        handlers_.erase(found);
        handler(status);
    }
}

}  // namespace planetbox
