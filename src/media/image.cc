#include "media/image.h"

#include <unistd.h>

#include <algorithm>

#include "base/strings.h"

namespace planetbox {
namespace {

Status write_at(int fd, uint64_t offset, std::string_view data) {
    while (!data.empty()) {
        ssize_t done = ::pwrite(fd, data.data(), data.size(), off_t(offset));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return fail_errno("write image");
        if (done == 0) return fail(Code::kIo, "write image: the device is full");
        data.remove_prefix(size_t(done));
        offset += uint64_t(done);
    }
    return {};
}

}  // namespace

void Image::put(uint64_t offset, std::string data) {
    size_ = std::max(size_, offset + data.size());
    parts_.push_back({offset, std::move(data), {}});
}

void Image::share(uint64_t offset, std::string_view data) {
    if (data.empty()) return;
    size_ = std::max(size_, offset + data.size());
    parts_.push_back({offset, {}, data});
}

void Image::put_image(uint64_t offset, const Image& other) {
    size_ = std::max(size_, offset + other.size_);
    for (const Part& part : other.parts_)
        parts_.push_back({offset + part.offset, part.owned, part.shared});
}

Status Image::write_parts(int fd) const {
    for (const Part& part : parts_) TRY(write_at(fd, part.offset, part.data()));
    return {};
}

Status Image::write(int fd) const {
    TRY(write_parts(fd));
    if (::ftruncate(fd, off_t(size_)) != 0) return fail_errno("set the image's size");
    return {};
}

std::string Image::flatten() const {
    std::string out(size_, '\0');
    for (const Part& part : parts_)
        std::copy(part.data().begin(), part.data().end(), out.begin() + ptrdiff_t(part.offset));
    return out;
}

void put_le(std::string& table, size_t offset, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) table.at(offset + i) = char(value >> 8 * i & 255);
}

uint64_t get_le(std::string_view table, size_t offset, size_t bytes) {
    uint64_t value = 0;
    if (offset > table.size() || table.size() - offset < bytes) return 0;
    for (size_t i = 0; i < bytes; ++i) value |= uint64_t{uint8_t(table[offset + i])} << 8 * i;
    return value;
}

}  // namespace planetbox
