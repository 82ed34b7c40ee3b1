// Writes and reads a GUID partition table with one EFI system partition, and its protective MBR.
//
// Format: UEFI specification §5 (5.2.3 protective MBR, 5.3 GPT).  512-byte blocks.  Never blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "media/image.h"

namespace planetbox {

inline constexpr uint64_t kGptBlock = 512;
inline constexpr uint64_t kGptTail = 33 * kGptBlock;  // entries and header at the end of the disk

struct GptSpec {
    std::string disk_guid;  // 16 bytes as make_guid gives them
    std::string partition_guid;
    std::string partition_name;  // ASCII, at most 36 characters
    uint64_t first_block = 2048;
    uint64_t blocks = 0;       // of the partition
    uint64_t disk_blocks = 0;  // of the disk; 0 = just what is needed
};

// 16 bytes of a version 4 GUID in its mixed-endian disk form, from 16 or more bytes of a hash.
std::string make_guid(std::string_view seed);
std::string guid_text(std::string_view guid);  // "C12A7328-F81F-…"

// Puts protective MBR, primary and secondary table into the image and sets its size.
Status put_gpt(Image& image, const GptSpec& spec);

struct GptInfo {
    std::string disk_guid;
    std::string partition_guid;  // of the ESP
    std::string partition_name;
    uint64_t first_block = 0, last_block = 0;
    bool secondary_ok = false;  // the copy at the end is there and agrees
};
// Checks signature, both CRCs and the bounds, and finds the EFI system partition.  kProtocol with a
// sentence.  A missing secondary table (an image written onto a larger stick) is no error.
Result<GptInfo> read_gpt(std::string_view disk);

uint32_t crc32(std::string_view data);

}  // namespace planetbox
