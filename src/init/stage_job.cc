#include "init/stage_job.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <utility>

#include "base/strings.h"
#include "sys/process.h"
#include "wire/failure_code.h"

namespace planetbox {

namespace {

constexpr size_t kMaxLine = 2000;
constexpr std::string_view kOwnPrefix = "bootclient: ";

bool is_word_char(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

}  // namespace

std::string_view code_in_line(std::string_view line) {
    for (size_t at = 0; at + 4 <= line.size(); ++at) {
        if (line[at] != 'B' || line[at + 3] != ':') continue;
        if (at > 0 && is_word_char(line[at - 1])) continue;
        if (auto known = find_failure_code(line.substr(at, 3))) return known->code;
    }
    return {};
}

StageJob::~StageJob() { abandon(); }

void StageJob::abandon() {
    loop_.cancel(deadline_);
    deadline_ = 0;
    if (output_.ok()) loop_.unwatch(output_.get());
    output_.reset();
    if (!pid_) return;
    reaper_.forget(pid_);
    kill();
    pid_ = 0;
}

Status StageJob::start(std::vector<std::string> argv, Millis limit, Done done) {
    CHECK(!running());
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) < 0) return fail_errno("pipe2");
    UniqueFd ours(fds[0]), theirs(fds[1]);
    ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
    SpawnOptions options;
    options.argv = std::move(argv);
    options.self = true;
    options.new_session = true;
    options.stdout_fd = theirs.get();
    options.stderr_fd = theirs.get();
    pid_t pid = TRY(spawn(options));
    pid_ = pid;
    done_ = std::move(done);
    code_.clear();
    last_line_.clear();
    partial_.clear();
    ended_ = false;
    output_ = std::move(ours);
    reaper_.watch(pid, [this](int status) {
        ended_ = true;
        wait_status_ = status;
        on_output();  // what it said last
        maybe_done();
    });
    deadline_ = loop_.after(limit, [this] {
        deadline_ = 0;
        console_.step(topic, "no end in sight; stopping this attempt");
        kill();
    });
    return loop_.watch(output_.get(), EPOLLIN, [this](uint32_t) { on_output(); });
}

void StageJob::kill() {
    if (pid_) ::kill(-pid_, SIGKILL);
}

void StageJob::on_output() {
    char buffer[4096];
    while (output_.ok()) {
        ssize_t count = ::read(output_.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) {
            loop_.unwatch(output_.get());
            output_.reset();
            return;
        }
        take({buffer, static_cast<size_t>(count)});
    }
}

void StageJob::take(std::string_view bytes) {
    for (char c : bytes) {
        if (c != '\n' && c != '\r' && partial_.size() < kMaxLine) {
            partial_ += c;
            continue;
        }
        bool ends = c == '\n' || c == '\r';
        std::string line = std::exchange(partial_, ends ? "" : std::string(1, c));
        take_line(line, ends ? c : '\n');
    }
}

void StageJob::take_line(std::string_view line, char end) {
    if (line.starts_with(kOwnPrefix))
        console_.step(topic, line.substr(kOwnPrefix.size()));
    else
        console_.raw(str_cat(line, std::string_view(&end, 1)));
    line = trim(line);
    if (line.empty()) return;
    last_line_ = line;
    std::string_view code = code_in_line(line);
    if (code.empty()) return;
    code_ = code;
    if (on_failure) on_failure(code);
}

// A grandchild may hold the pipe open for ever, so the program's own end is what counts.
void StageJob::maybe_done() {
    if (!ended_) return;
    if (!partial_.empty()) take_line(std::exchange(partial_, ""), '\n');
    if (output_.ok()) loop_.unwatch(output_.get());
    output_.reset();
    loop_.cancel(deadline_);
    deadline_ = 0;
    pid_ = 0;
    Done done = std::move(done_);
    done(wait_status_);
}

}  // namespace planetbox
