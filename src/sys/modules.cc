#include "sys/modules.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/strings.h"
#include "sys/files.h"

namespace planetbox {

namespace {

// From linux/module.h, which Debian bookworm's headers have, older ones not.
constexpr int kCompressedFile = 4;

}  // namespace

Status load_module(const std::string& path, const std::string& parameters) {
    UniqueFd fd = TRY(open_file(path, O_RDONLY));
    int flags = path.ends_with(".ko") ? 0 : kCompressedFile;
    if (syscall(SYS_finit_module, fd.get(), parameters.c_str(), flags) == 0) return {};
    int err = errno;
    if (err == EEXIST) return {};
    std::string what = str_cat("load ", base_name(path));
    if (err == ENODEV)
        return fail(Error(Code::kNotFound, what + ": no such hardware").with_errno(err));
    if (err == EOPNOTSUPP || err == ENOEXEC || err == EINVAL)
        return fail(Error(Code::kUnsupported, what + ": not for this kernel").with_errno(err));
    return fail(sys_error(what, err));
}

}  // namespace planetbox
