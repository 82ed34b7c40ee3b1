// Writes and reads FAT16 and FAT32 file systems, as EFI system partitions are.
//
// The writer makes the smallest one that holds the files (or one of the size asked for), every file
// in one piece, names as given through VFAT long names.  The same files give the same bytes.  The
// reader is for `media check`: it follows directory entries and cluster chains with bounds at every
// step, and says what is wrong with a damaged image.
//
// Format: Microsoft's "FAT: General Overview of On-Disk Format" 1.03; the UEFI specification §13.3
// refers to it.  Never blocks.  Limits: ASCII names to 255 characters, 8 directory levels, 4,096
// files, 2 TiB.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "media/image.h"

namespace planetbox {

struct FatFile {
    std::string path;  // "EFI/BOOT/BOOTX64.EFI"; directories are made as needed
    std::string_view data;
    bool copy = true;  // false: the image shares the data, which must outlive it
};

struct FatSpec {
    std::string label;  // at most 11 of A-Z, 0-9, '_', '-'
    uint32_t serial = 0;
    int64_t unix_time = 0;  // of every entry; before 1980 becomes 1980
    uint64_t size = 0;      // bytes, 0 = as small as possible
    int bits = 0;           // 16, 32, 0 = 16 below 512 MiB (which every firmware reads as well)
    uint32_t hidden_sectors = 0;  // sectors before this file system on the disk
    std::vector<FatFile> files;
};

Result<Image> make_fat(const FatSpec& spec);

// A read file system.  The bytes must outlive it.
class FatReader {
public:
    // kProtocol with a sentence when this is no FAT16 or FAT32, or its tables disagree.
    static Result<FatReader> open(std::string_view bytes);

    struct Entry {
        std::string path;
        uint64_t size;
        bool directory;
    };
    // Everything, depth first, in directory order.
    Result<std::vector<Entry>> list() const;
    // Names compare without regard to ASCII case, as the firmware does.
    Result<std::string> read(std::string_view path, uint64_t limit) const;

    int bits() const { return bits_; }
    uint64_t size() const { return size_; }
    const std::string& label() const { return label_; }
    uint32_t serial() const { return serial_; }

private:
    struct Found {
        std::string name;
        uint32_t first_cluster = 0;
        uint32_t size = 0;
        bool directory = false;
    };
    uint32_t next_cluster(uint32_t cluster) const;
    Result<std::string> read_chain(uint32_t first, uint64_t bytes, uint64_t limit) const;
    Result<std::vector<Found>> read_directory(uint32_t first_cluster, bool root) const;
    Status walk(const std::string& prefix, uint32_t first, bool root, int depth,
                std::vector<Entry>& out) const;

    std::string_view bytes_;
    int bits_ = 0;
    uint64_t size_ = 0;
    uint64_t cluster_size_ = 0;
    uint64_t data_offset_ = 0;
    uint64_t fat_offset_ = 0;
    uint64_t root_offset_ = 0;
    uint32_t root_entries_ = 0;
    uint32_t root_cluster_ = 0;
    uint32_t clusters_ = 0;
    uint32_t serial_ = 0;
    std::string label_;
};

}  // namespace planetbox
