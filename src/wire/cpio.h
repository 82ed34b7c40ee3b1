// Writer of "newc" cpio archives: what a Linux kernel unpacks as its initramfs.
//
// The same calls give the same bytes: inode numbers count up, owner is root, the only time is the
// one given.  Owns nothing but the bytes not yet taken; never blocks.  Limits: a file or a name
// below 4 GiB.
//
// Archives may be joined (an overlay behind a generic initramfs): the kernel skips zero bytes
// between them, and wants an uncompressed archive to start at a multiple of four, which
// cpio_padding() is for.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace planetbox {

class CpioWriter {
public:
    explicit CpioWriter(int64_t mtime = 0) : mtime_(uint32_t(mtime)) {}

    // Paths without a leading slash, parents first ("etc", then "etc/planetbox").
    void directory(std::string_view path, mode_t mode = 0755);
    void file(std::string_view path, std::string_view data, mode_t mode = 0644);
    void symlink(std::string_view path, std::string_view target);
    void device(std::string_view path, mode_t type_and_mode, uint32_t major, uint32_t minor);
    // A file whose bytes follow in pieces: begin, any number of data, end.  `size` is a promise
    // (CHECK).
    void begin_file(std::string_view path, uint64_t size, mode_t mode = 0644);
    void file_data(std::string_view piece);
    void end_file();
    // The trailer, and zeros up to a multiple of 512.  Nothing may follow.
    void finish();

    // What was written since the last take(); call it now and then while writing much.
    std::string take();

private:
    void header(std::string_view path, mode_t mode, uint64_t size, uint32_t major, uint32_t minor);
    void pad(size_t multiple);

    std::string out_;
    uint64_t taken_ = 0;      // bytes that take() has handed out
    uint64_t file_left_ = 0;  // bytes that begin_file() promised and file_data() has not brought
    uint32_t mtime_;
    uint32_t next_inode_ = 1;
};

// How many zero bytes bring `size` to a multiple of four.
inline size_t cpio_padding(uint64_t size) { return size_t((4 - size % 4) % 4); }

}  // namespace planetbox
