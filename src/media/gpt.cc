#include "media/gpt.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace planetbox {
namespace {

constexpr size_t kEntries = 128, kEntrySize = 128;
constexpr uint64_t kTableBlocks = kEntries * kEntrySize / kGptBlock;  // 32
// C12A7328-F81F-11D2-BA4B-00A0C93EC93B
constexpr std::string_view kEspType(
    "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b", 16);

consteval std::array<uint32_t, 256> crc_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
        table[i] = value;
    }
    return table;
}
constexpr std::array<uint32_t, 256> kCrc = crc_table();

std::string protective_mbr(uint64_t disk_blocks) {
    std::string mbr(kGptBlock, '\0');
    put_le(mbr, 446, 0x00020000, 4);  // not active; starts at CHS 0/0/2
    put_le(mbr, 450, 0xffffffee, 4);  // type EE; ends beyond what CHS can say
    put_le(mbr, 454, 1, 4);
    put_le(mbr, 458, std::min<uint64_t>(disk_blocks - 1, 0xffffffff), 4);
    put_le(mbr, 510, 0xaa55, 2);
    return mbr;
}

std::string header(const GptSpec& spec, uint64_t disk_blocks, uint32_t table_crc, bool primary) {
    std::string h(kGptBlock, '\0');
    uint64_t last = disk_blocks - 1;
    h.replace(0, 8, "EFI PART");
    put_le(h, 8, 0x00010000, 4);
    put_le(h, 12, 92, 4);
    put_le(h, 24, primary ? 1 : last, 8);
    put_le(h, 32, primary ? last : 1, 8);
    put_le(h, 40, 2 + kTableBlocks, 8);
    put_le(h, 48, last - 1 - kTableBlocks, 8);
    h.replace(56, 16, spec.disk_guid);
    put_le(h, 72, primary ? 2 : last - kTableBlocks, 8);
    put_le(h, 80, kEntries, 4);
    put_le(h, 84, kEntrySize, 4);
    put_le(h, 88, table_crc, 4);
    put_le(h, 16, crc32(std::string_view(h).substr(0, 92)), 4);
    return h;
}

struct Header {
    uint64_t own, other, table, first_usable, last_usable;
    std::string_view entries, disk_guid;
};

Result<Header> read_header(std::string_view disk, uint64_t block, const char* which) {
    auto bad = [which](const char* what) {
        return fail(Code::kProtocol, strf("the %s partition table %s", which, what));
    };
    if (block * kGptBlock + kGptBlock > disk.size()) return bad("lies beyond the end");
    std::string h(disk.substr(block * kGptBlock, kGptBlock));
    if (!h.starts_with("EFI PART")) return bad("is not there");
    uint64_t length = get_le(h, 12, 4), crc = get_le(h, 16, 4);
    put_le(h, 16, 0, 4);
    if (length < 92 || length > kGptBlock || crc32(std::string_view(h).substr(0, length)) != crc)
        return bad("has a wrong checksum");
    uint64_t count = get_le(h, 80, 4), size = get_le(h, 84, 4), table = get_le(h, 72, 8);
    if (get_le(h, 24, 8) != block) return bad("is not where it says");
    if (count > 1024 || size != kEntrySize || table > disk.size() / kGptBlock ||
        table * kGptBlock + count * size > disk.size())
        return bad("has entries beyond the end");
    std::string_view entries = disk.substr(table * kGptBlock, count * size);
    if (crc32(entries) != get_le(h, 88, 4)) return bad("has entries with a wrong checksum");
    return Header{block,
                  get_le(h, 32, 8),
                  table,
                  get_le(h, 40, 8),
                  get_le(h, 48, 8),
                  entries,
                  disk.substr(block * kGptBlock + 56, 16)};
}

}  // namespace

uint32_t crc32(std::string_view data) {
    uint32_t crc = ~0u;
    for (char c : data) crc = crc >> 8 ^ kCrc[(crc ^ uint8_t(c)) & 255];
    return ~crc;
}

std::string make_guid(std::string_view seed) {
    std::string guid(seed.substr(0, 16));
    guid.resize(16, '\0');
    guid[7] = char((guid[7] & 0x0f) | 0x40);  // version 4, in the little-endian third field
    guid[8] = char((guid[8] & 0x3f) | 0x80);
    return guid;
}

std::string guid_text(std::string_view g) {
    auto at = [g](size_t i) { return unsigned(uint8_t(g[i])); };
    return strf("%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", at(3),
                at(2), at(1), at(0), at(5), at(4), at(7), at(6), at(8), at(9), at(10), at(11),
                at(12), at(13), at(14), at(15));
}

Status put_gpt(Image& image, const GptSpec& spec) {
    CHECK(spec.disk_guid.size() == 16 && spec.partition_guid.size() == 16);
    uint64_t end = spec.first_block + spec.blocks;
    uint64_t disk_blocks = spec.disk_blocks ? spec.disk_blocks : end + 1 + kTableBlocks;
    if (spec.first_block < 2 + kTableBlocks || end + 1 + kTableBlocks > disk_blocks)
        return fail(Code::kTooLarge,
                    strf("the disk of %s is too small: this medium needs %s",
                         human_bytes(disk_blocks * kGptBlock).c_str(),
                         human_bytes((end + 1 + kTableBlocks) * kGptBlock).c_str()));
    std::string entries(kEntries * kEntrySize, '\0');
    entries.replace(0, 16, kEspType);
    entries.replace(16, 16, spec.partition_guid);
    put_le(entries, 32, spec.first_block, 8);
    put_le(entries, 40, end - 1, 8);
    for (size_t i = 0; i < std::min<size_t>(spec.partition_name.size(), 36); ++i)
        entries[56 + 2 * i] = spec.partition_name[i];
    uint32_t crc = crc32(entries);
    uint64_t last = disk_blocks - 1;
    image.put(0, protective_mbr(disk_blocks));
    image.put(kGptBlock, header(spec, disk_blocks, crc, true));
    image.put(2 * kGptBlock, entries.substr(0, kGptBlock));  // the others are empty
    image.put((last - kTableBlocks) * kGptBlock, entries.substr(0, kGptBlock));
    image.put(last * kGptBlock, header(spec, disk_blocks, crc, false));
    image.resize(disk_blocks * kGptBlock);
    return {};
}

Result<GptInfo> read_gpt(std::string_view disk) {
    if (get_le(disk, 510, 2) != 0xaa55 || get_le(disk, 450, 1) != 0xee)
        return fail(Code::kProtocol, "no protective master boot record: not a GPT disk image");
    Header primary = TRY(read_header(disk, 1, "first"));
    GptInfo info;
    info.disk_guid = primary.disk_guid;
    for (size_t at = 0; at < primary.entries.size(); at += kEntrySize) {
        std::string_view entry = primary.entries.substr(at, kEntrySize);
        if (!entry.starts_with(kEspType)) continue;
        info.partition_guid = entry.substr(16, 16);
        info.first_block = get_le(entry, 32, 8);
        info.last_block = get_le(entry, 40, 8);
        for (size_t i = 0; i < 36 && get_le(entry, 56 + 2 * i, 2); ++i)
            info.partition_name += char(get_le(entry, 56 + 2 * i, 2) & 0x7f);
        break;
    }
    if (info.partition_guid.empty())
        return fail(Code::kProtocol, "there is no EFI system partition");
    if (info.first_block < primary.first_usable || info.last_block < info.first_block ||
        info.last_block > primary.last_usable || (info.last_block + 1) > disk.size() / kGptBlock)
        return fail(Code::kProtocol, "the EFI system partition lies outside the disk");
    auto secondary = read_header(disk, primary.other, "second");
    info.secondary_ok = secondary && secondary->entries == primary.entries &&
                        secondary->disk_guid == primary.disk_guid;
    return info;
}

}  // namespace planetbox
