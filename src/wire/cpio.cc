#include "wire/cpio.h"

#include <sys/stat.h>

#include <utility>

#include "base/result.h"
#include "base/strings.h"

namespace planetbox {

void CpioWriter::pad(size_t multiple) {
    const uint64_t written = taken_ + out_.size();
    out_.append(size_t((multiple - written % multiple) % multiple), '\0');
}

void CpioWriter::header(std::string_view path, mode_t mode, uint64_t size, uint32_t major,
                        uint32_t minor) {
    CHECK(file_left_ == 0);
    CHECK(size <= UINT32_MAX);
    CHECK(!path.empty() && path.front() != '/');
    const bool trailer = mode == 0;
    // magic, inode, mode, uid, gid, links, mtime, size, device, special device, name size, checksum
    out_ += strf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
                 trailer ? 0 : next_inode_++, unsigned(mode), 0, 0, S_ISDIR(mode) ? 2 : 1,
                 trailer ? 0 : mtime_, unsigned(size), 0, 0, major, minor,
                 unsigned(path.size() + 1), 0);
    out_.append(path);
    out_ += '\0';
    pad(4);
}

void CpioWriter::directory(std::string_view path, mode_t mode) {
    header(path, S_IFDIR | mode, 0, 0, 0);
}

void CpioWriter::file(std::string_view path, std::string_view data, mode_t mode) {
    begin_file(path, data.size(), mode);
    file_data(data);
    end_file();
}

void CpioWriter::symlink(std::string_view path, std::string_view target) {
    header(path, S_IFLNK | 0777, target.size(), 0, 0);
    out_.append(target);
    pad(4);
}

void CpioWriter::device(std::string_view path, mode_t type_and_mode, uint32_t major,
                        uint32_t minor) {
    header(path, type_and_mode, 0, major, minor);
}

void CpioWriter::begin_file(std::string_view path, uint64_t size, mode_t mode) {
    header(path, S_IFREG | mode, size, 0, 0);
    file_left_ = size;
}

void CpioWriter::file_data(std::string_view piece) {
    CHECK(piece.size() <= file_left_);
    file_left_ -= piece.size();
    out_.append(piece);
}

void CpioWriter::end_file() {
    CHECK(file_left_ == 0);
    pad(4);
}

void CpioWriter::finish() {
    header("TRAILER!!!", 0, 0, 0, 0);
    pad(512);
}

std::string CpioWriter::take() {
    taken_ += out_.size();
    return std::exchange(out_, {});
}

}  // namespace planetbox
