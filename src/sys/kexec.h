// Loading another kernel to start without the firmware: kexec_file_load(2), which both x86-64 and
// arm64 have.  The older kexec_load, which builds the segments in user space, is not used.
//
// The kernel reads both files through the descriptors that it is given and copies them, so bytes
// that were checked in a sealed memory file are the bytes that start.
#pragma once

#include <string>

#include "base/result.h"

namespace planetbox {

struct KexecImage {
    int kernel_fd = -1;  // read-only; no descriptor open for writing may exist (else ETXTBSY)
    int initrd_fd = -1;  // -1: none
    std::string command_line;
};

// Blocks while the kernel reads and copies.  Errors say what to do about them; kUnsupported when
// this kernel cannot, kDenied when it may not (no root, locked down, disabled), kInvalid when the
// image is not one that it can start.
Status kexec_load(const KexecImage& image);
Status kexec_unload();
Result<bool> kexec_image_loaded();  // from /sys/kernel/kexec_loaded

// How many bytes of command line the kernel image takes, from its header: x86 bzImage says it
// itself, arm64 Image has 2047.  0 when the image's kind is not known.  `head`: the image's first 4
// KiB.
size_t kernel_command_line_limit(std::string_view head);

}  // namespace planetbox
