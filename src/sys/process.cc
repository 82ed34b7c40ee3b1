#include "sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.h"
#include "sys/files.h"

extern char** environ;

namespace planetbox {

namespace {

// What the child writes when a step fails; `step` points into the parent's own image (fork shares
// it).
struct ChildFailure {
    const char* step;
    int err;
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> out;
    out.reserve(words.size() + 1);
    for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
    out.push_back(nullptr);
    return out;
}

std::string_view path_variable(const SpawnOptions& options) {
    std::string_view found = "/usr/sbin:/usr/bin:/sbin:/bin";
    if (options.env) {
        for (const std::string& entry : *options.env)
            if (entry.starts_with("PATH=")) found = std::string_view(entry).substr(5);
    } else if (const char* path = ::getenv("PATH")) {
        found = path;
    }
    return found;
}

Result<std::string> find_program(const SpawnOptions& options) {
    const std::string& name = options.argv[0];
    if (options.self) return std::string("/proc/self/exe");
    if (name.find('/') != std::string::npos) return name;
    for (std::string_view dir : split(path_variable(options), ':')) {
        std::string candidate = str_cat(dir.empty() ? "." : dir, "/", name);
        struct stat info{};
        if (::access(candidate.c_str(), X_OK) == 0 && ::stat(candidate.c_str(), &info) == 0 &&
            S_ISREG(info.st_mode))
            return candidate;
    }
    return fail(Code::kNotFound,
                strf("exec: \"%s\": executable file not found in $PATH", name.c_str()));
}

// A number to place may be another's source: all sources go out of the way first.  They are CLOEXEC
// there; dup2() clears that.
constexpr int kHighFd = 100;

const char* place_fds(std::pair<int, int>* fds, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        fds[i].first = ::fcntl(fds[i].first, F_DUPFD_CLOEXEC, kHighFd);
        if (fds[i].first < 0) return "fcntl";
    }
    for (size_t i = 0; i < count; ++i)
        if (::dup2(fds[i].first, fds[i].second) < 0) return "dup2";
    return nullptr;
}

const char* set_up_child(const SpawnOptions& options, std::pair<int, int>* fds, size_t fd_count,
                         pid_t parent) {
    if (options.new_session && ::setsid() < 0) return "setsid";
    if (options.die_with_parent) {
        if (::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return "prctl";
        if (::getppid() != parent) ::_exit(127);  // it died before that
    }
    if (options.stdin_fd < 0) {
        int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null > 0 && ::dup2(null, 0) < 0) return "dup2";
        if (null == 0) ::fcntl(0, F_SETFD, 0);
    }
    if (const char* step = place_fds(fds, fd_count)) return step;
    if (!options.cwd.empty() && ::chdir(options.cwd.c_str()) < 0) return "chdir";
    for (int signal_number = 1; signal_number < NSIG; ++signal_number) {
        struct sigaction action{};
        action.sa_handler = SIG_DFL;
        ::sigaction(signal_number, &action, nullptr);
    }
    sigset_t none;
    sigemptyset(&none);
    if (::sigprocmask(SIG_SETMASK, &none, nullptr) < 0) return "sigprocmask";
    return options.in_child ? options.in_child() : nullptr;
}

std::vector<std::pair<int, int>> wanted_fds(const SpawnOptions& options) {
    std::vector<std::pair<int, int>> fds;
    if (options.stdin_fd >= 0) fds.emplace_back(options.stdin_fd, 0);
    if (options.stdout_fd >= 0) fds.emplace_back(options.stdout_fd, 1);
    if (options.stderr_fd >= 0) fds.emplace_back(options.stderr_fd, 2);
    for (auto [ours, theirs] : options.extra_fds) {
        CHECK(theirs < kHighFd);
        fds.emplace_back(ours, theirs);
    }
    return fds;
}

[[noreturn]] void run_child(const SpawnOptions& options, std::vector<std::pair<int, int>>& fds,
                            pid_t parent, const char* program, char* const* argv, char* const* env,
                            int report_fd) {
    const char* step = set_up_child(options, fds.data(), fds.size(), parent);
    if (!step) {
        ::execve(program, argv, env);
        step = "exec";
    }
    ChildFailure failure{step, errno};
    [[maybe_unused]] ssize_t written = ::write(report_fd, &failure, sizeof failure);
    ::_exit(127);
}

}  // namespace

Result<pid_t> spawn(const SpawnOptions& options) {
    CHECK(!options.argv.empty());
    std::string program = TRY(find_program(options));
    std::vector<char*> argv = pointers(options.argv);
    std::vector<char*> env_storage;
    if (options.env) env_storage = pointers(*options.env);
    char* const* env = options.env ? env_storage.data() : environ;
    int pipe_fds[2];
    if (::pipe2(pipe_fds, O_CLOEXEC) < 0) return fail_errno("pipe2");
    UniqueFd report_read(pipe_fds[0]), report_write(pipe_fds[1]);
    // Keep the report pipe clear of the numbers that the child's own fds are placed on.
    int high = ::fcntl(report_write.get(), F_DUPFD_CLOEXEC, kHighFd);
    if (high < 0) return fail_errno("fcntl");
    report_write.reset(high);

    std::vector<std::pair<int, int>> fds = wanted_fds(options);
    pid_t parent = ::getpid();
    pid_t pid = ::fork();
    if (pid < 0) return fail_errno("fork");
    if (pid == 0)
        run_child(options, fds, parent, program.c_str(), argv.data(), env, report_write.get());

    report_write.reset();
    ChildFailure failure{};
    ssize_t count;
    do {
        count = ::read(report_read.get(), &failure, sizeof failure);
    } while (count < 0 && errno == EINTR);
    if (count != static_cast<ssize_t>(sizeof failure)) return pid;  // end of file: exec happened
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return fail(sys_error(str_cat(failure.step, " ", options.argv[0]), failure.err));
}

std::string describe_wait_status(int wait_status) {
    if (WIFEXITED(wait_status)) return strf("exit status %d", WEXITSTATUS(wait_status));
    const char* name = ::sigdescr_np(WTERMSIG(wait_status));
    return str_cat("signal: ", lower_ascii(name ? name : "unknown"));
}

namespace {

// Feeds input and collects output until the pipe's end, the limit or the deadline.  Returns false
// on the deadline.
Result<bool> exchange(UniqueFd& to_child, std::string_view input, int from_child, size_t limit,
                      MonoTime deadline, const Clock& clock, std::string& output) {
    for (;;) {
        if (input.empty()) to_child.reset();
        auto left = std::chrono::ceil<Millis>(deadline - clock.mono()).count();
        if (left <= 0) return false;
        pollfd fds[2] = {{from_child, POLLIN, 0}, {to_child.get(), POLLOUT, 0}};
        int ready = ::poll(fds, 2, static_cast<int>(std::min<long>(left, 1'000'000)));
        if (ready < 0 && errno != EINTR) return fail_errno("poll");
        if (ready <= 0) continue;
        if (fds[1].revents) {
            ssize_t count = ::write(to_child.get(), input.data(), input.size());
            if (count < 0 && errno != EAGAIN) input = {};  // it does not want to read: fine
            if (count > 0) input.remove_prefix(static_cast<size_t>(count));
        }
        if (!fds[0].revents) continue;
        char buffer[65536];
        ssize_t count = ::read(from_child, buffer, sizeof buffer);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count < 0) return fail_errno("read");
        if (count == 0) return true;
        output.append(buffer, static_cast<size_t>(count));
        if (output.size() > limit)
            return fail(Code::kTooLarge, strf("output longer than %zu bytes", limit));
    }
}

// Waits for the end, killing the group at the deadline.  Returns true when it had to kill.
bool reap(pid_t pid, bool kill_now, MonoTime deadline, const Clock& clock, int* status) {
    bool killed = false;
    for (;;) {
        if (kill_now && !killed) {
            ::kill(-pid, SIGKILL);
            killed = true;
        }
        pid_t done = ::waitpid(pid, status, killed ? 0 : WNOHANG);
        if (done == pid || (done < 0 && errno != EINTR)) return killed;
        kill_now =
            clock.mono() >= deadline;  // after the look: who has ended in time, has ended in time
        if (!kill_now) ::poll(nullptr, 0, 2);
    }
}

}  // namespace

Result<Finished> run_program(SpawnOptions options, Millis deadline, size_t limit,
                             std::string_view input, bool with_stderr) {
    int out_fds[2], in_fds[2];
    if (::pipe2(out_fds, O_CLOEXEC) < 0) return fail_errno("pipe2");
    UniqueFd out_read(out_fds[0]), out_write(out_fds[1]);
    if (::pipe2(in_fds, O_CLOEXEC) < 0) return fail_errno("pipe2");
    UniqueFd in_read(in_fds[0]), in_write(in_fds[1]);
    ::fcntl(in_write.get(), F_SETFL, O_NONBLOCK);
    options.stdin_fd = in_read.get();
    options.stdout_fd = out_write.get();
    if (with_stderr) options.stderr_fd = out_write.get();
    options.new_session = true;

    // A program that closes its stdin must not end this one.
    struct sigaction ignore{}, before{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before);
    RealClock clock;
    MonoTime until = clock.mono() + deadline;
    Result<pid_t> pid = spawn(options);
    if (!pid) {
        ::sigaction(SIGPIPE, &before, nullptr);
        return std::unexpected(std::move(pid.error()));
    }
    out_write.reset();
    in_read.reset();
    Finished finished;
    Result<bool> ended =
        exchange(in_write, input, out_read.get(), limit, until, clock, finished.output);
    in_write.reset();
    bool give_up = !ended || !*ended;
    bool killed = reap(*pid, give_up, until, clock, &finished.wait_status);
    ::sigaction(SIGPIPE, &before, nullptr);
    if (!ended) return std::unexpected(std::move(ended.error()).context(options.argv[0]));
    finished.timed_out = killed;
    return finished;
}

}  // namespace planetbox
