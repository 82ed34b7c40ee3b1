#include "stage/kexec_image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <vector>

#include "base/strings.h"
#include "crypto/hash.h"
#include "sys/files.h"
#include "sys/kexec.h"
#include "wire/cpio.h"
#include "wire/plnode.h"

namespace planetbox {

namespace {

constexpr uint64_t kMaxFile = 1u << 30;
constexpr size_t kKernelHead = 4096;

// Copies everything from `in` to `out` and returns its hash.
Result<std::string> copy_and_hash(int in, int out) {
    Sha256 hash;
    uint64_t total = 0;
    std::vector<char> buffer(256 << 10);
    for (;;) {
        ssize_t count = ::read(in, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("read");
        if (count == 0) return hash.finish_hex();
        std::string_view piece(buffer.data(), static_cast<size_t>(count));
        total += piece.size();
        if (total > kMaxFile)
            return fail(Code::kTooLarge,
                        strf("longer than %llu bytes", static_cast<unsigned long long>(kMaxFile)));
        hash.update(piece);
        TRY(write_all(out, piece));
    }
}

// kexec_file_load refuses a file that anybody could still write to, so the writable descriptor must
// be gone: seal, open again for reading, close the first.
Result<UniqueFd> seal(UniqueFd fd) {
    if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) <
        0)
        return fail_errno("seal");
    return open_file(strf("/proc/self/fd/%d", fd.get()), O_RDONLY);
}

Result<uint64_t> file_size(const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) < 0) return fail_errno(path);
    return static_cast<uint64_t>(info.st_size);
}

std::string_view expected_hash(const KexecRequest& request, const std::string& path) {
    if (!request.expected) return {};
    auto found = request.expected->find(path);
    return found == request.expected->end() ? std::string_view() : std::string_view(found->second);
}

Status check_command_line(int kernel_fd, const std::string& command_line) {
    char head[kKernelHead];
    ssize_t count = ::pread(kernel_fd, head, sizeof head, 0);
    if (count < 0) return fail_errno("read the kernel");
    size_t limit = kernel_command_line_limit({head, static_cast<size_t>(count)});
    if (limit && command_line.size() > limit)
        return fail(Code::kTooLarge,
                    strf("kexec: the command line has %zu bytes; this kernel takes %zu",
                         command_line.size(), limit));
    return {};
}

Result<UniqueFd> prepare_initrd(const KexecRequest& request) {
    std::string tail;
    if (!request.node_file.empty() && file_exists(request.node_file)) {
        std::string text = TRY(read_file(request.node_file, kPlnodeLimit));
        tail = node_archive(text, TRY(file_size(request.initrd)));
    }
    return sealed_copy(request.initrd, expected_hash(request, request.initrd), tail);
}

}  // namespace

Result<UniqueFd> sealed_copy(const std::string& path, std::string_view sha256,
                             std::string_view tail) {
    UniqueFd in = TRY(open_file(path, O_RDONLY));
    UniqueFd out(::memfd_create("planetbox-kexec", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!out.ok()) return fail_errno("memfd_create");
    std::string hash = TRY_CONTEXT(copy_and_hash(in.get(), out.get()), path);
    if (!sha256.empty() && !iequals_ascii(hash, sha256))
        return fail(Code::kProtocol, path + ": checksum mismatch");
    TRY_CONTEXT(write_all(out.get(), tail), path);
    return seal(std::move(out));
}

std::string node_archive(std::string_view plnode_text, uint64_t initrd_size) {
    CpioWriter writer;
    writer.directory("etc");
    writer.directory("etc/planetbox");
    writer.file("etc/planetbox/plnode.txt", plnode_text, 0600);
    writer.finish();
    return std::string(cpio_padding(initrd_size), '\0') + writer.take();
}

std::string reusable_command_line(std::string_view proc_cmdline) {
    std::vector<std::string> words;
    for (std::string_view word : split_words(proc_cmdline))
        if (!word.starts_with("BOOT_IMAGE=") && !word.starts_with("initrd="))
            words.emplace_back(word);
    return join(words, " ");
}

Status load_kexec(const KexecRequest& request) {
    UniqueFd kernel = TRY(sealed_copy(request.kernel, expected_hash(request, request.kernel)));
    TRY(check_command_line(kernel.get(), request.command_line));
    UniqueFd initrd;
    if (!request.initrd.empty()) initrd = TRY(prepare_initrd(request));
    return kexec_load({.kernel_fd = kernel.get(),
                       .initrd_fd = initrd.get(),
                       .command_line = request.command_line});
}

}  // namespace planetbox
