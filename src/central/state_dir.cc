#include "central/state_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/strings.h"
#include "sys/files.h"

namespace planetbox {

namespace {

std::string without_trailing_slashes(std::string path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
}

// What may lie in a directory that holds no state yet: our own leftovers of an interrupted first
// run, the operator's configuration, and what a fresh file system brings along.
bool is_expected_entry(std::string_view name) {
    static constexpr std::array<std::string_view, 11> kExpected = {
        "lock",  "planetbox.conf", "rescue_keys",           "ca", "ca.new", "tls", "keys", "images",
        "cache", "lost+found",     "initial-admin-password"};
    return std::find(kExpected.begin(), kExpected.end(), name) != kExpected.end() ||
           name.starts_with("state.db") || name.ends_with(".conf");
}

Status refuse_foreign_directory(const StateDir& state) {
    if (has_state(state)) return {};
    for (const std::string& name : TRY(list_dir(state.path())))
        if (!is_expected_entry(name))
            return fail(
                Code::kInvalid,
                str_cat(state.path(), ": holds no planetbox state but other files ('",
                        printable(name, 60), "', ...); give --state an empty or a new directory"));
    return {};
}

// Makes the directory, or narrows one that others may enter or write beyond `mode`.
Status ensure_dir(const std::string& path, mode_t mode, std::vector<std::string>* repaired) {
    if (::mkdir(path.c_str(), mode) == 0) return {};
    if (errno != EEXIST) return fail_errno(path);
    struct stat info{};
    if (::lstat(path.c_str(), &info) < 0) return fail_errno(path);
    // images/ and cache/ are often links to a larger disk; keys never are.
    if (S_ISLNK(info.st_mode) && (mode & 0007) != 0 && ::stat(path.c_str(), &info) < 0)
        return fail_errno(path);
    if (!S_ISDIR(info.st_mode))
        return fail(Code::kInvalid, str_cat(path, ": is not a directory; move it away"));
    mode_t extra = info.st_mode & 0777 & ~mode;
    if (extra == 0) return {};
    if (::chmod(path.c_str(), info.st_mode & 0777 & mode) < 0) return fail_errno(path);
    if (repaired)
        repaired->push_back(strf("%s was open to others (mode %04o); now %04o", path.c_str(),
                                 info.st_mode & 0777, info.st_mode & 0777 & mode));
    return {};
}

Status narrow_secret(const std::string& path, std::vector<std::string>* repaired) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) < 0) return errno == ENOENT ? Status{} : fail_errno(path);
    if ((info.st_mode & 0077) == 0 || !S_ISREG(info.st_mode)) return {};
    if (::chmod(path.c_str(), 0600) < 0) return fail_errno(path);
    if (repaired)
        repaired->push_back(
            strf("%s was readable by others (mode %04o); now 0600. If others could reach it, treat "
                 "it as stolen",
                 path.c_str(), info.st_mode & 0777));
    return {};
}

struct flock whole_file_lock() {
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

std::string holder_words(pid_t holder) {
    // A holder in another container has no pid here.
    return holder > 0 ? strf("pid %d", holder) : "a process in another container";
}

}  // namespace

StateDir::StateDir(std::string path) : path_(without_trailing_slashes(std::move(path))) {}

bool has_state(const StateDir& state) { return file_exists(state.ca_cert()); }

Status prepare_state_dir(const StateDir& state, std::vector<std::string>* repaired) {
    if (!file_exists(state.path())) {
        TRY_CONTEXT(make_dirs(dir_name(state.path())), "make the state directory");
        if (::mkdir(state.path().c_str(), 0700) < 0 && errno != EEXIST)
            return fail(sys_error(state.path()).context("make the state directory"));
    }
    TRY_CONTEXT(refuse_foreign_directory(state), "state directory");
    ActAsOwner acting = TRY(ActAsOwner::of(state));
    TRY(ensure_dir(state.path(), 0750, repaired));
    TRY(ensure_dir(state.tls_dir(), 0700, repaired));
    TRY(ensure_dir(state.keys_dir(), 0700, repaired));
    TRY(ensure_dir(state.images(), 0755, repaired));
    TRY(ensure_dir(state.cache(), 0755, repaired));
    // ca/ is made whole by trust.cc, so that it never exists in part.
    if (file_exists(state.ca_dir())) TRY(ensure_dir(state.ca_dir(), 0700, repaired));
    for (const std::string& secret :
         {state.ca_key(), state.server_key("rsa"), state.server_key("ecdsa"), state.signing_key(),
          state.database()})
        TRY(narrow_secret(secret, repaired));
    return {};
}

Result<ActAsOwner> ActAsOwner::of(const StateDir& state) {
    struct stat info{};
    if (::geteuid() != 0 || ::stat(state.path().c_str(), &info) < 0 || info.st_uid == 0)
        return ActAsOwner(false);
    if (::setegid(info.st_gid) < 0) return fail_errno("act as the owner of the state");
    ActAsOwner acting(true);
    if (::seteuid(info.st_uid) < 0) return fail_errno("act as the owner of the state");
    return acting;
}

ActAsOwner::~ActAsOwner() {
    if (!active_) return;
    // Going on as the wrong user would be worse than ending.
    CHECK(::seteuid(0) == 0 && ::setegid(0) == 0);
}

Result<StateLock> StateLock::take(const StateDir& state) {
    ActAsOwner acting = TRY(ActAsOwner::of(state));
    // O_NOFOLLOW: somebody else's link must not make us create files elsewhere.
    UniqueFd fd = TRY(open_file(state.lock(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    struct flock lock = whole_file_lock();
    if (::fcntl(fd.get(), F_SETLK, &lock) == 0) return StateLock(std::move(fd));
    if (errno != EACCES && errno != EAGAIN) return fail_errno(state.lock());
    struct flock holder = whole_file_lock();
    if (::fcntl(fd.get(), F_GETLK, &holder) < 0 || holder.l_type == F_UNLCK) holder.l_pid = 0;
    return fail(Code::kConflict,
                str_cat(state.path(), ": another planetbox up (", holder_words(holder.l_pid),
                        ") runs on this state; stop it, or give this one its own --state"));
}

Result<pid_t> state_lock_holder(const StateDir& state) {
    Result<UniqueFd> fd = open_file(state.lock(), O_RDWR | O_NOFOLLOW);
    if (!fd) {
        if (fd.error().code() == Code::kNotFound) return 0;
        return std::unexpected(std::move(fd.error()));
    }
    struct flock lock = whole_file_lock();
    if (::fcntl(fd->get(), F_GETLK, &lock) < 0) return fail_errno(state.lock());
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

}  // namespace planetbox
