// The owner of one file descriptor.  Move-only; closes in the destructor, never retries close (the
// kernel has released the number even when it says EINTR), and keeps errno.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace planetbox {

class UniqueFd {
public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    bool ok() const { return fd_ >= 0; }
    int get() const { return fd_; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (fd_ >= 0 && fd_ != fd) {
            int saved = errno;
            ::close(fd_);
            errno = saved;
        }
        fd_ = fd;
    }
    bool operator!() const = delete;  // `if (!fd)` is the classic mistake; ask ok()

private:
    int fd_ = -1;
};

}  // namespace planetbox
