// Mounting and unmounting.  (Not mount.h: that would hide the C library's <sys/mount.h>.)
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace planetbox {

// mount(2) after making the mount point.  Something that is mounted there already (EBUSY) is
// success. kUnsupported: the kernel has no such file system (ENODEV).
Status mount_fs(const std::string& type, const std::string& target, unsigned long flags = 0,
                const std::string& data = "", const std::string& source = "");

// Mount points of /proc/self/mounts' text, in the order of mounting, octal escapes undone.
std::vector<std::string> mount_points(std::string_view proc_mounts);

// Unmounts everything below / but /proc, /sys, /dev and the root itself, last mounted first; what
// is busy is detached.  Returns what could not be unmounted at all.
std::vector<std::string> unmount_all();

}  // namespace planetbox
