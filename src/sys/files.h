// Files.  Functions take a directory fd where a test would want another tree (AT_FDCWD otherwise).
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace planetbox {

// Opens with O_CLOEXEC added.  Error context: the path.
Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0644,
                           int dirfd = AT_FDCWD);

// Reads a whole file; kTooLarge above `limit` bytes.  Works on /proc, /sys and pipes.
Result<std::string> read_file(const std::string& path, size_t limit, int dirfd = AT_FDCWD);
Result<std::string> read_fd(int fd, size_t limit);

// Writes all of data, however often write(2) stops short.
Status write_all(int fd, std::string_view data);
// Replaces a file in one step: temporary file beside it, fsync, rename, fsync of the directory.  A
// crash leaves the old or the new content, never a part.
Status write_file_atomic(const std::string& path, std::string_view data, mode_t mode = 0644);
// Plain write to an existing file (/proc, /sys, cgroup): one write(2).
Status write_existing(const std::string& path, std::string_view data, int dirfd = AT_FDCWD);

Status make_dirs(const std::string& path, mode_t mode = 0755);  // like mkdir -p
Status remove_file(const std::string& path);                    // absent is success
Status remove_tree(const std::string& path);                    // never follows a link
bool file_exists(const std::string& path);
Result<std::vector<std::string>> list_dir(const std::string& path);  // sorted, without . and ..

// Joins for child names that come from outside: refuses "", ".", "..", a slash, a NUL byte.
bool is_plain_name(std::string_view name);
std::string dir_name(std::string_view path);   // "a/b" → "a", "b" → ".", "/b" → "/"
std::string base_name(std::string_view path);  // "a/b" → "b"

// A directory below TMPDIR or /tmp (or `parent`) that is removed with all it holds when this goes.
class TempDir {
public:
    static Result<TempDir> create(const std::string& parent = "");
    TempDir(TempDir&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
    TempDir& operator=(TempDir&&) = delete;
    ~TempDir();
    const std::string& path() const { return path_; }

private:
    explicit TempDir(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

}  // namespace planetbox
