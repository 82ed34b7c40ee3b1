#include "init/console.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "base/strings.h"
#include "sys/files.h"
#include "wire/failure_code.h"

namespace planetbox {

namespace {

constexpr size_t kMaxKept = 200;
constexpr int kWriteMillis = 200;

UniqueFd open_output(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
}

}  // namespace

double uptime_seconds() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void Console::open() {
    kmsg_.reset(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
    outputs_.clear();
    Result<std::string> active = read_file("/sys/class/tty/console/active", 4096);
    if (active) {
        for (std::string_view name : split_words(*active)) {
            std::string path = str_cat("/dev/", name);
            UniqueFd fd = open_output(path);
            if (!fd.ok()) continue;
            outputs_.push_back({path, std::move(fd)});
            terminal_ = path;  // the kernel lists the one behind /dev/console last
        }
    }
    // What we start inherits this; it may block there, we do not write to it ourselves.
    int fd = ::open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0) fd = ::open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; ++i)
        if (fd != i && fd >= 0) ::dup2(fd, i);
    if (fd > 2) ::close(fd);
    open_ = true;
    for (const std::string& line : kept_) write_all_consoles(line);
    kept_.clear();
}

void Console::write_all_consoles(std::string_view bytes) {
    if (!open_) {
        if (kept_.size() < kMaxKept) kept_.emplace_back(bytes);
        return;
    }
    for (Output& output : outputs_) {
        std::string_view rest = bytes;
        int patience = kWriteMillis;
        bool reopened = false;
        while (!rest.empty()) {
            ssize_t count = ::write(output.fd.get(), rest.data(), rest.size());
            if (count > 0) {
                rest.remove_prefix(static_cast<size_t>(count));
                continue;
            }
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EIO && !std::exchange(reopened, true)) {
                output.fd = open_output(output.path);  // it was hung up
                continue;
            }
            if (count < 0 && errno != EAGAIN) break;
            pollfd wait{output.fd.get(), POLLOUT, 0};
            if (patience <= 0 || ::poll(&wait, 1, 20) < 0) break;
            patience -= 20;
        }
    }
}

void Console::drain() {
    for (int patience = 50; patience > 0; --patience) {
        bool empty = true;
        for (const Output& output : outputs_) {
            int waiting = 0;
            if (::ioctl(output.fd.get(), TIOCOUTQ, &waiting) == 0 && waiting > 0) empty = false;
        }
        // The port's own buffer, which TIOCOUTQ does not count, holds 16 bytes or so.
        ::poll(nullptr, 0, 20);
        if (empty) return;
    }
}

void Console::step(std::string_view topic, std::string_view text) {
    std::string safe = printable(text, 400);
    std::string line = strf("planetbox: [%6.2f] ", uptime_seconds());
    line += str_cat(topic, ": ", safe, "\n");
    write_all_consoles(in_line_ ? str_cat("\n", line) : line);
    in_line_ = false;
    if (!kmsg_.ok()) return;
    // Level 7: kept for dmesg, not shown a second time.
    std::string record = str_cat("<7>planetbox: ", topic, ": ", safe);
    [[maybe_unused]] ssize_t count = ::write(kmsg_.get(), record.data(), record.size());
}

void Console::failure(std::string_view code, std::string_view detail) {
    std::optional<FailureCode> known = find_failure_code(code);
    std::string text(code);
    if (known) text += str_cat(" ", known->sentence, " ", known->remedy);
    if (!detail.empty()) text += str_cat(" (", detail, ")");
    step("failed", text);
}

void Console::raw(std::string_view bytes) {
    if (bytes.empty()) return;
    write_all_consoles(bytes);
    in_line_ = bytes.back() != '\n';
}

}  // namespace planetbox
