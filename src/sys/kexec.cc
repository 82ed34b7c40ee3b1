#include "sys/kexec.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/strings.h"
#include "sys/files.h"

namespace planetbox {

namespace {

// include/uapi/linux/kexec.h
constexpr unsigned long kFileUnload = 1;
constexpr unsigned long kFileNoInitramfs = 4;

long kexec_file_load(int kernel_fd, int initrd_fd, const std::string& command_line,
                     unsigned long flags) {
    return ::syscall(SYS_kexec_file_load, kernel_fd, initrd_fd, command_line.size() + 1,
                     command_line.c_str(), flags);
}

std::string first_line(const char* path) {
    Result<std::string> text = read_file(path, 4096);
    return text ? std::string(trim(*text)) : std::string();
}

// EPERM has three causes, which look the same to the caller and not to whoever must mend it.
Error why_denied() {
    if (::geteuid() != 0) return Error(Code::kDenied, "kexec: only root may load a kernel");
    const std::string lockdown = first_line("/sys/kernel/security/lockdown");
    if (lockdown.find("[none]") == std::string::npos && !lockdown.empty())
        return Error(Code::kDenied,
                     "kexec: this kernel is locked down (secure boot) and takes "
                     "signed kernels only");
    if (first_line("/proc/sys/kernel/kexec_load_disabled") == "1")
        return Error(Code::kDenied,
                     "kexec: switched off until the next reboot "
                     "(kernel.kexec_load_disabled=1)");
    return Error(Code::kDenied, "kexec: not permitted; CAP_SYS_BOOT is missing (a container?)");
}

Error explain(int err) {
    auto error = [&](Code code, const char* text) {
        return Error(code, str_cat("kexec: ", text)).with_errno(err);
    };
    switch (err) {
        case EPERM:
            return why_denied().with_errno(err);
        case ENOSYS:
            return error(Code::kUnsupported,
                         "this kernel has no kexec_file_load (CONFIG_KEXEC_FILE is off)");
        case ENOEXEC:
            return error(Code::kInvalid,
                         "the file is no kernel that this one can start (x86-64 "
                         "wants a bzImage, arm64 an uncompressed Image)");
        case EINVAL:
            return error(Code::kInvalid, "the kernel image or its command line was refused");
        case EKEYREJECTED:
        case ENOKEY:
        case ENODATA:
        case EBADMSG:
            return error(Code::kDenied,
                         "this kernel demands a signature that it trusts, and the "
                         "image has none");
        case EBUSY:
            return error(Code::kConflict, "another kexec is under way");
        case ETXTBSY:
            return error(Code::kConflict, "the image is open for writing");
        case ENOMEM:
        case EADDRNOTAVAIL:
            return error(Code::kIo, "there is not enough free memory for the new kernel");
        default:
            return sys_error("kexec", err);
    }
}

uint32_t little_endian(std::string_view text, size_t at, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<uint8_t>(text[at + i]);
    return value;
}

}  // namespace

Status kexec_load(const KexecImage& image) {
    const unsigned long flags = image.initrd_fd < 0 ? kFileNoInitramfs : 0;
    if (kexec_file_load(image.kernel_fd, image.initrd_fd, image.command_line, flags) < 0)
        return fail(explain(errno));
    return {};
}

Status kexec_unload() {
    if (kexec_file_load(-1, -1, "", kFileUnload) < 0) return fail(explain(errno));
    return {};
}

Result<bool> kexec_image_loaded() {
    return trim(TRY(read_file("/sys/kernel/kexec_loaded", 16))) == "1";
}

size_t kernel_command_line_limit(std::string_view head) {
    constexpr size_t kArm64Limit = 2047;  // COMMAND_LINE_SIZE less the NUL
    constexpr size_t kOldX86Limit = 255;  // before boot protocol 2.06
    if (head.size() >= 0x3C && head.substr(0x38, 4) == "ARM\x64") return kArm64Limit;
    if (head.size() < 0x23C || head.substr(0x202, 4) != "HdrS") return 0;
    if (little_endian(head, 0x206, 2) < 0x206) return kOldX86Limit;
    return little_endian(head, 0x238, 4);
}

}  // namespace planetbox
