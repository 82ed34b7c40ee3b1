#include "base/unique_fd.h"

#include <doctest/doctest.h>
#include <fcntl.h>

using namespace planetbox;

namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
UniqueFd null_fd() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

// Catches: a descriptor that leaks, or is closed twice, when its owner is overwritten.
TEST_CASE("move assignment closes what was held, and only that") {
    UniqueFd a = null_fd(), b = null_fd();
    int first = a.get(), second = b.get();
    a = std::move(b);
    CHECK(!is_open(first));
    CHECK(is_open(second));
    CHECK(a.get() == second);
    CHECK(!b.ok());
    UniqueFd& self = a;
    a = std::move(self);
    CHECK(is_open(second));
    a.reset(second);  // the number it has already
    CHECK(is_open(second));
    a.reset();
    CHECK(!is_open(second));
}

TEST_CASE("release gives the descriptor away; the destructor closes and keeps errno") {
    int fd = -1;
    {
        UniqueFd a = null_fd();
        fd = a.release();
        CHECK(!a.ok());
    }
    CHECK(is_open(fd));
    {
        UniqueFd again(fd);
        errno = EMFILE;
    }
    CHECK(errno == EMFILE);
    CHECK(!is_open(fd));
    UniqueFd moved_from = null_fd();
    UniqueFd moved_to(std::move(moved_from));
    CHECK(!moved_from.ok());
    CHECK(moved_to.ok());
}
