// Writes a UEFI-bootable ISO 9660 image, and reads back where its boot image is.
//
// The boot image (a FAT file system, fat.h) is an El Torito "no emulation" entry for platform EFI;
// it is also a file of the ISO's top directory, and the EFI system partition of a GUID partition
// table in the ISO's system area.  So one file boots from a CD, from a BMC's virtual CD and, copied
// with dd, from a USB stick.
//
// Formats: ECMA-119 (ISO 9660), El Torito 1.0, UEFI §13.3.2.1.  Never blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "media/gpt.h"
#include "media/image.h"

namespace planetbox {

struct IsoFile {
    std::string name;  // "PLNODE.TXT": at most 8.3 of A-Z, 0-9, '_'
    std::string data;
};

struct IsoSpec {
    std::string label;  // at most 32 of A-Z, 0-9, '_'
    int64_t unix_time = 0;
    std::string disk_guid, partition_guid;
    std::vector<IsoFile> files;  // small ones for people, at most 16
};

Result<Image> make_iso(const IsoSpec& spec, const Image& boot_image);

struct IsoInfo {
    std::string label;
    uint64_t boot_offset = 0;  // bytes
    uint64_t boot_size = 0;    // as far as the catalogue can say: 0 = to the end
};
bool looks_like_iso(std::string_view disk);
Result<IsoInfo> read_iso(std::string_view disk);

}  // namespace planetbox
