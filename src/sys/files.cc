#include "sys/files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>

#include "base/strings.h"

namespace planetbox {

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode, int dirfd) {
    UniqueFd fd(::openat(dirfd, path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd.ok()) return fail_errno(path);
    return fd;
}

Result<std::string> read_fd(int fd, size_t limit) {
    std::string out;
    struct stat info{};
    if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        out.reserve(std::min(limit, static_cast<size_t>(info.st_size)) + 1);
    char buffer[65536];
    for (;;) {
        ssize_t count = ::read(fd, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("read");
        if (count == 0) return out;
        if (out.size() + static_cast<size_t>(count) > limit)
            return fail(Code::kTooLarge, strf("longer than %zu bytes", limit));
        out.append(buffer, static_cast<size_t>(count));
    }
}

Result<std::string> read_file(const std::string& path, size_t limit, int dirfd) {
    UniqueFd fd = TRY(open_file(path, O_RDONLY, 0, dirfd));
    return TRY_CONTEXT(read_fd(fd.get(), limit), path);
}

Status write_all(int fd, std::string_view data) {
    while (!data.empty()) {
        ssize_t count = ::write(fd, data.data(), data.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("write");
        data.remove_prefix(static_cast<size_t>(count));
    }
    return {};
}

static Status sync_dir(const std::string& path) {
    UniqueFd dir = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(dir.get()) < 0 && errno != EINVAL) return fail_errno(path);
    return {};
}

Status write_file_atomic(const std::string& path, std::string_view data, mode_t mode) {
    std::string temporary = strf("%s.tmp.%d", path.c_str(), static_cast<int>(::getpid()));
    // One that a crash left behind may have another mode, or be a link.
    ::unlink(temporary.c_str());
    auto write_temporary = [&]() -> Status {
        UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!fd.ok()) return fail_errno(path);
        TRY_CONTEXT(write_all(fd.get(), data), path);
        if (::fchmod(fd.get(), mode) < 0) return fail_errno(path);
        if (::fsync(fd.get()) < 0) return fail_errno(path);
        if (::rename(temporary.c_str(), path.c_str()) < 0) return fail_errno(path);
        return {};
    };
    Status written = write_temporary();
    if (!written) {
        ::unlink(temporary.c_str());
        return written;
    }
    return sync_dir(dir_name(path));
}

Status write_existing(const std::string& path, std::string_view data, int dirfd) {
    UniqueFd fd = TRY(open_file(path, O_WRONLY, 0, dirfd));
    ssize_t count = ::write(fd.get(), data.data(), data.size());
    if (count < 0) return fail_errno(path);
    if (static_cast<size_t>(count) != data.size())
        return fail(Code::kIo, str_cat(path, ": took only a part of what was written"));
    return {};
}

Status make_dirs(const std::string& path, mode_t mode) {
    for (size_t at = 1; at <= path.size(); ++at) {
        if (at != path.size() && path[at] != '/') continue;
        std::string part = path.substr(0, at);
        if (::mkdir(part.c_str(), mode) == 0 || errno == EEXIST) continue;
        int err = errno;
        struct stat info{};
        if (::stat(part.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) continue;
        return fail(sys_error(part, err));
    }
    struct stat info{};
    if (::stat(path.c_str(), &info) < 0) return fail_errno(path);
    if (!S_ISDIR(info.st_mode)) return fail(sys_error(path, ENOTDIR));
    return {};
}

Status remove_file(const std::string& path) {
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) return fail_errno(path);
    return {};
}

static Status remove_tree_at(int dirfd, const std::string& name, const std::string& shown) {
    if (::unlinkat(dirfd, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return fail_errno(shown);
    int fd = ::openat(dirfd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fail_errno(shown);
    DIR* dir = ::fdopendir(fd);
    if (!dir) {
        UniqueFd closer(fd);
        return fail_errno(shown);
    }
    Status status;
    while (dirent* entry = ::readdir(dir)) {
        std::string child = entry->d_name;
        if (child == "." || child == "..") continue;
        status = remove_tree_at(::dirfd(dir), child, shown + "/" + child);
        if (!status) break;
    }
    ::closedir(dir);
    if (status && ::unlinkat(dirfd, name.c_str(), AT_REMOVEDIR) < 0) return fail_errno(shown);
    return status;
}

Status remove_tree(const std::string& path) { return remove_tree_at(AT_FDCWD, path, path); }

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<std::vector<std::string>> list_dir(const std::string& path) {
    DIR* dir = ::opendir(path.c_str());
    if (!dir) return fail_errno(path);
    std::vector<std::string> names;
    errno = 0;
    while (dirent* entry = ::readdir(dir)) {
        std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(std::move(name));
    }
    int err = errno;
    ::closedir(dir);
    if (err) return fail(sys_error(path, err));
    std::sort(names.begin(), names.end());
    return names;
}

bool is_plain_name(std::string_view name) {
    return !name.empty() && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

std::string dir_name(std::string_view path) {
    size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string base_name(std::string_view path) {
    size_t slash = path.rfind('/');
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

Result<TempDir> TempDir::create(const std::string& parent) {
    const char* env = ::getenv("TMPDIR");
    std::string base = !parent.empty() ? parent : env && *env ? env : "/tmp";
    std::string name = base + "/planetbox.XXXXXX";
    if (!::mkdtemp(name.data())) return fail_errno(name);
    return TempDir(std::move(name));
}

TempDir::~TempDir() {
    if (path_.empty()) return;
    // Nobody can act on a failure here; what stays behind lies in a temporary directory.
    (void)remove_tree(path_);
}

}  // namespace planetbox
