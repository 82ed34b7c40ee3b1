// A disk image as the few places of it that are not zero.
//
// fat.h, gpt.h and iso9660.h each put their part; one image of many shares its large files with the
// others of the same call, so a thousand media cost a thousand small tables and not a thousand
// copies. Owns what was put, not what was shared.  Only write() blocks (on the disk).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace planetbox {

class Image {
public:
    uint64_t size() const { return size_; }
    void resize(uint64_t size) { size_ = size; }
    // Later parts lie over earlier ones.  The image grows to hold what is put.
    void put(uint64_t offset, std::string data);
    void share(uint64_t offset, std::string_view data);  // must outlive the image
    void put_image(uint64_t offset, const Image& other);

    // Writes the parts and sets the file's size; what is between them becomes a hole in a new file.
    // For a block device, which has no holes and no size to set, see write_parts.
    Status write(int fd) const;
    // The parts only.
    Status write_parts(int fd) const;
    // One string: for tests and for small images.
    std::string flatten() const;

private:
    struct Part {
        uint64_t offset;
        std::string owned;
        std::string_view shared;
        std::string_view data() const { return shared.data() ? shared : owned; }
    };
    std::vector<Part> parts_;
    uint64_t size_ = 0;
};

// Little-endian numbers into a table at a fixed offset.
void put_le(std::string& table, size_t offset, uint64_t value, size_t bytes);
uint64_t get_le(std::string_view table, size_t offset, size_t bytes);  // 0 beyond the end

}  // namespace planetbox
