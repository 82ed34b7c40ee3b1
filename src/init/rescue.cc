#include "init/rescue.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/strings.h"
#include "sys/files.h"
#include "sys/process.h"

namespace planetbox {

namespace {

constexpr const char* kKeys = "/etc/planetbox/rescue_keys";
constexpr const char* kDropbear = "/sbin/dropbear";

}  // namespace

int count_keys(std::string_view authorized_keys) {
    int count = 0;
    for (std::string_view line : split(authorized_keys, '\n')) {
        line = trim(line);
        if (!line.empty() && line.front() != '#' && split_words(line).size() >= 2) ++count;
    }
    return count;
}

Service Rescue::prepare_sshd(std::string& why) {
    Service service;
    service.name = "sshd";
    service.when = Service::When::kRescue;
    service.respawn = true;
    Result<std::string> keys = read_file(kKeys, 256 << 10);
    int count = keys ? count_keys(*keys) : 0;
    if (count == 0) {
        why = "no rescue keys in this image";
        return service;
    }
    if (!file_exists(kDropbear)) {
        why = "no sshd in this image";
        return service;
    }
    Status placed = make_dirs("/root/.ssh", 0700);
    if (placed) placed = make_dirs("/etc/dropbear", 0700);
    if (placed) placed = write_file_atomic("/root/.ssh/authorized_keys", *keys, 0600);
    if (!placed) {
        why = placed.error().message();
        return service;
    }
    why = strf("%d key%s", count, count == 1 ? "" : "s");
    // -s: no passwords; -R: host keys when first needed; -F -E: in front, words on stderr.
    service.argv = {kDropbear, "-F", "-E", "-s", "-R", "-p", "22"};
    return service;
}

Rescue::~Rescue() {
    if (listening_) loop_.unwatch(console_.input_fd());
    if (shell_) reaper_.forget(shell_);
}

void Rescue::offer_shell() {
    offered_ = true;
    if (listening_ || shell_) return;
    console_.step("rescue", "press Enter here for a shell");
    listen();
}

void Rescue::listen() {
    int fd = console_.input_fd();
    ::tcflush(fd, TCIFLUSH);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    Status watched = loop_.watch(fd, EPOLLIN, [this, fd](uint32_t) {
        char buffer[256];
        ssize_t count = ::read(fd, buffer, sizeof buffer);
        if (count > 0) start_shell();
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
            loop_.unwatch(fd);  // the terminal is gone; there is nobody to ask
            listening_ = false;
        }
    });
    listening_ = watched.has_value();
}

void Rescue::start_shell() {
    int fd = console_.input_fd();
    loop_.unwatch(fd);
    listening_ = false;
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    // By its own name: /dev/console can be nobody's controlling terminal.
    UniqueFd terminal(::open(console_.terminal().c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal.ok()) terminal.reset(::open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC));
    SpawnOptions options;
    options.argv = {"/bin/sh", "-l"};
    options.env = {{"PATH=/sbin:/bin", "HOME=/root", "TERM=linux", "PS1=rescue# "}};
    options.cwd = "/";
    options.new_session = true;
    options.stdin_fd = options.stdout_fd = options.stderr_fd = terminal.get();
    options.in_child = []() -> const char* {
        ::ioctl(0, TIOCSCTTY, 1);  // without it there is only no job control
        return nullptr;
    };
    Result<pid_t> pid = spawn(options);
    if (!pid) {
        console_.step("rescue", "no shell: " + pid.error().message());
        return;
    }
    shell_ = *pid;
    reaper_.watch(shell_, [this](int) {
        shell_ = 0;
        console_.open();
        offer_shell();
    });
}

}  // namespace planetbox
