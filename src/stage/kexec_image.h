// Gets a kernel and its initramfs ready for kexec: what the kexec applet does, by hand or for a
// boot action.
//
// Each file is copied into a memory file that is then sealed, and hashed on the way.  What is
// compared with the expected hash is thus exactly what the kernel is given: a file that changes
// between the check and the load is noticed.  The node's own identity (plnode.txt) is put behind
// the initramfs as a small cpio archive, so that the next stage knows which node it is on.
//
// Blocks on disk and memory; limits: 1 GiB a file.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace planetbox {

struct KexecRequest {
    std::string kernel;
    std::string initrd;  // empty: none
    std::string command_line;
    // path → SHA-256 in hex, for files that something was promised about.
    const std::map<std::string, std::string>* expected = nullptr;
    // Carried over into the initramfs when it exists; empty: never.
    std::string node_file = "/etc/planetbox/plnode.txt";
};

// Copies, checks and loads.  Errors: kProtocol "checksum mismatch", and kexec_load's.
Status load_kexec(const KexecRequest& request);

// The parts, for tests.

// A sealed, read-only memory file that holds `path`'s bytes and then `tail`.  Errors: kProtocol
// "checksum mismatch" when `sha256` (64 hex digits, or empty) is not the hash of the file's bytes.
Result<UniqueFd> sealed_copy(const std::string& path, std::string_view sha256,
                             std::string_view tail = {});
// The cpio archive with the file at /etc/planetbox/plnode.txt, mode 0600, with padding in front so
// that it can follow `initrd_size` bytes.
std::string node_archive(std::string_view plnode_text, uint64_t initrd_size);
// This kernel's command line, without what its boot loader put there for itself.
std::string reusable_command_line(std::string_view proc_cmdline);

}  // namespace planetbox
