#include "sys/mounts.h"

#include <sys/mount.h>

#include "base/strings.h"
#include "sys/files.h"

namespace planetbox {

Status mount_fs(const std::string& type, const std::string& target, unsigned long flags,
                const std::string& data, const std::string& source) {
    TRY(make_dirs(target));
    const std::string& from = source.empty() ? type : source;
    if (::mount(from.c_str(), target.c_str(), type.c_str(), flags, data.c_str()) == 0) return {};
    int err = errno;
    if (err == EBUSY) return {};
    std::string what = str_cat("mount ", type, " on ", target);
    if (err == ENODEV)
        return fail(Error(Code::kUnsupported, what + ": this kernel has none").with_errno(err));
    return fail(sys_error(what, err));
}

namespace {

// \040 and the like, as the kernel writes spaces in mount points.
std::string undo_octal(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            int value = 0;
            bool octal = true;
            for (size_t j = i + 1; j <= i + 3; ++j) {
                octal = octal && text[j] >= '0' && text[j] <= '7';
                value = value * 8 + (text[j] - '0');
            }
            if (octal && value < 256) {
                out += static_cast<char>(value);
                i += 3;
                continue;
            }
        }
        out += text[i];
    }
    return out;
}

bool is_kept(const std::string& point) {
    return point == "/" || point == "/proc" || point == "/sys" || point == "/dev";
}

}  // namespace

std::vector<std::string> mount_points(std::string_view proc_mounts) {
    std::vector<std::string> out;
    for (std::string_view line : split(proc_mounts, '\n')) {
        std::vector<std::string_view> words = split_words(line);
        if (words.size() >= 3) out.push_back(undo_octal(words[1]));
    }
    return out;
}

std::vector<std::string> unmount_all() {
    std::vector<std::string> stuck;
    Result<std::string> mounts = read_file("/proc/self/mounts", 1 << 20);
    if (!mounts) return {"/proc/self/mounts"};
    std::vector<std::string> points = mount_points(*mounts);
    for (auto point = points.rbegin(); point != points.rend(); ++point) {
        if (is_kept(*point)) continue;
        if (::umount2(point->c_str(), UMOUNT_NOFOLLOW) == 0) continue;
        if (::umount2(point->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) < 0) stuck.push_back(*point);
    }
    return stuck;
}

}  // namespace planetbox
