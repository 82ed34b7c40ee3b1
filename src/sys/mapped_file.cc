#include "sys/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "sys/files.h"

namespace planetbox {

Result<MappedFile> MappedFile::open(const std::string& path) {
    UniqueFd fd = TRY(open_file(path, O_RDONLY));
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return fail_errno(path);
    if (!S_ISREG(info.st_mode)) return fail(Code::kInvalid, path + ": is not a regular file");
    if (info.st_size == 0) return MappedFile(nullptr, 0);
    void* data = ::mmap(nullptr, size_t(info.st_size), PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (data == MAP_FAILED) return fail_errno(path);
    return MappedFile(data, size_t(info.st_size));
}

MappedFile::~MappedFile() {
    if (data_) ::munmap(data_, size_);
}

}  // namespace planetbox
