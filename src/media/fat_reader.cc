// FatReader of fat.h.  Every number read from the image is checked against the image's size before
// it is used, every chain ends after at most as many clusters as there are.
#include <algorithm>

#include "base/strings.h"
#include "media/fat.h"

namespace planetbox {
namespace {

constexpr uint64_t kSector = 512;
constexpr size_t kMaxEntries = 65536;
constexpr int kMaxDepth = 16;

std::string_view slice(std::string_view bytes, uint64_t offset, uint64_t size) {
    if (offset > bytes.size()) return {};
    return bytes.substr(size_t(offset), size_t(std::min<uint64_t>(size, bytes.size() - offset)));
}

// Names are shown on terminals: what is not printable ASCII shows as '?'.
char shown(uint64_t unit) { return unit >= ' ' && unit < 0x7f ? char(unit) : '?'; }

std::string short_to_name(std::string_view entry) {
    std::string base(trim(entry.substr(0, 8))), extension(trim(entry.substr(8, 3)));
    std::string name = extension.empty() ? base : base + "." + extension;
    for (char& c : name) c = shown(uint8_t(c));
    return name;
}

// Up to 13 characters of a long name.
std::string long_part(std::string_view entry) {
    constexpr size_t kPlaces[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    std::string out;
    for (size_t place : kPlaces) {
        uint64_t unit = get_le(entry, place, 2);
        if (unit == 0 || unit == 0xffff) break;
        out += shown(unit);
    }
    return out;
}

}  // namespace

Result<FatReader> FatReader::open(std::string_view bytes) {
    if (bytes.size() < kSector || get_le(bytes, 510, 2) != 0xaa55)
        return fail(Code::kProtocol, "no FAT file system: the boot sector has no signature");
    FatReader r;
    r.bytes_ = bytes;
    uint64_t spc = get_le(bytes, 13, 1), reserved = get_le(bytes, 14, 2),
             fats = get_le(bytes, 16, 1);
    if (get_le(bytes, 11, 2) != kSector || spc == 0 || (spc & (spc - 1)) || reserved == 0 ||
        fats == 0 || fats > 2)
        return fail(Code::kProtocol, "no FAT file system: its parameters make no sense");
    uint64_t total = get_le(bytes, 19, 2) ? get_le(bytes, 19, 2) : get_le(bytes, 32, 4);
    uint64_t fat_sectors = get_le(bytes, 22, 2) ? get_le(bytes, 22, 2) : get_le(bytes, 36, 4);
    r.root_entries_ = uint32_t(get_le(bytes, 17, 2));
    uint64_t root_sectors = (r.root_entries_ * 32 + kSector - 1) / kSector;
    uint64_t data = reserved + fats * fat_sectors + root_sectors;
    if (total * kSector > bytes.size() || data >= total || fat_sectors == 0)
        return fail(Code::kProtocol, "the FAT file system is larger than the image: it is cut off");
    r.size_ = total * kSector;
    r.cluster_size_ = spc * kSector;
    r.data_offset_ = data * kSector;
    r.fat_offset_ = reserved * kSector;
    r.root_offset_ = (reserved + fats * fat_sectors) * kSector;
    uint64_t clusters = (total - data) / spc;
    if (clusters < 4085) return fail(Code::kUnsupported, "FAT12: not a medium of planetbox");
    r.bits_ = clusters < 65525 ? 16 : 32;
    if ((r.bits_ == 32) != (get_le(bytes, 22, 2) == 0))
        return fail(Code::kProtocol, "the FAT file system's size and kind disagree");
    if ((clusters + 2) * uint64_t(r.bits_) / 8 > fat_sectors * kSector)
        return fail(Code::kProtocol, "the file allocation table is too small");
    r.clusters_ = uint32_t(clusters);
    r.root_cluster_ = r.bits_ == 32 ? uint32_t(get_le(bytes, 44, 4)) : 0;
    size_t tail = r.bits_ == 32 ? 64 : 36;
    r.serial_ = uint32_t(get_le(bytes, tail + 3, 4));
    r.label_ = trim(slice(bytes, tail + 7, 11));
    if (fats == 2 && slice(bytes, r.fat_offset_, fat_sectors * kSector) !=
                         slice(bytes, r.fat_offset_ + fat_sectors * kSector, fat_sectors * kSector))
        return fail(Code::kProtocol, "the two file allocation tables differ");
    return r;
}

// 0 for "no such cluster", all ones for the end.
uint32_t FatReader::next_cluster(uint32_t cluster) const {
    size_t width = size_t(bits_) / 8;
    uint64_t value = get_le(bytes_, fat_offset_ + uint64_t{cluster} * width, width);
    if (bits_ == 16) return value >= 0xfff8 ? ~0u : uint32_t(value);
    value &= 0x0fffffff;
    return value >= 0x0ffffff8 ? ~0u : uint32_t(value);
}

Result<std::string> FatReader::read_chain(uint32_t first, uint64_t bytes, uint64_t limit) const {
    std::string out;
    uint32_t cluster = first;
    for (uint32_t steps = 0; out.size() < bytes; ++steps) {
        if (cluster == ~0u && bytes == ~uint64_t{0}) break;  // a directory: as long as its chain
        if (cluster < 2 || cluster >= clusters_ + 2 || steps > clusters_)
            return fail(Code::kProtocol, "a cluster chain is broken");
        if (out.size() > limit) return fail(Code::kTooLarge, "a file is larger than expected");
        out += slice(bytes_, data_offset_ + uint64_t{cluster - 2} * cluster_size_, cluster_size_);
        cluster = next_cluster(cluster);
    }
    if (bytes != ~uint64_t{0}) {
        if (bytes > 0 && cluster != ~0u)
            return fail(Code::kProtocol, "a cluster chain is longer than its file");
        out.resize(bytes);
    }
    return out;
}

Result<std::vector<FatReader::Found>> FatReader::read_directory(uint32_t first_cluster,
                                                                bool root) const {
    std::string table;
    if (root && bits_ == 16)
        table = slice(bytes_, root_offset_, uint64_t{root_entries_} * 32);
    else
        table = TRY(read_chain(root ? root_cluster_ : first_cluster, ~uint64_t{0}, 4 << 20));
    std::vector<Found> out;
    std::string long_name;
    for (size_t at = 0; at + 32 <= table.size(); at += 32) {
        std::string_view entry = std::string_view(table).substr(at, 32);
        uint8_t lead = uint8_t(entry[0]), attributes = uint8_t(entry[11]);
        if (lead == 0) break;
        if (lead == 0xe5) {
            long_name.clear();
        } else if (attributes == 0x0f) {
            if (lead & 0x40) long_name.clear();
            long_name = long_part(entry) + long_name;
            if (long_name.size() > 255) return fail(Code::kProtocol, "a long name is broken");
        } else {
            if (!(attributes & 0x08) && lead != '.')
                out.push_back({long_name.empty() ? short_to_name(entry) : long_name,
                               uint32_t(get_le(entry, 20, 2) << 16 | get_le(entry, 26, 2)),
                               uint32_t(get_le(entry, 28, 4)), (attributes & 0x10) != 0});
            long_name.clear();
        }
        if (out.size() > kMaxEntries) return fail(Code::kTooLarge, "a directory is too large");
    }
    return out;
}

Status FatReader::walk(const std::string& prefix, uint32_t first, bool root, int depth,
                       std::vector<Entry>& out) const {
    if (depth > kMaxDepth) return fail(Code::kProtocol, "directories are nested too deeply");
    for (const Found& found : TRY(read_directory(first, root))) {
        std::string path = prefix + found.name;
        out.push_back({path, found.size, found.directory});
        if (out.size() > kMaxEntries) return fail(Code::kTooLarge, "too many files");
        if (found.directory)
            TRY_CONTEXT(walk(path + "/", found.first_cluster, false, depth + 1, out),
                        printable(path));
    }
    return {};
}

Result<std::vector<FatReader::Entry>> FatReader::list() const {
    std::vector<Entry> out;
    TRY(walk("", 0, true, 0, out));
    return out;
}

Result<std::string> FatReader::read(std::string_view path, uint64_t limit) const {
    Found at{"", 0, 0, true};
    bool root = true;
    for (std::string_view part : split(path, '/')) {
        auto entries = TRY(read_directory(at.first_cluster, root));
        auto found = std::find_if(entries.begin(), entries.end(), [&](const Found& entry) {
            return iequals_ascii(entry.name, part);
        });
        if (!at.directory || found == entries.end())
            return fail(Code::kNotFound, str_cat(path, ": not in the file system"));
        at = *found;
        root = false;
    }
    if (at.directory) return fail(Code::kInvalid, str_cat(path, ": is a directory"));
    if (at.size > limit) return fail(Code::kTooLarge, str_cat(path, ": larger than expected"));
    return TRY_CONTEXT(read_chain(at.first_cluster, at.size, limit), path);
}

}  // namespace planetbox
