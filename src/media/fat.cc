#include "media/fat.h"

#include <algorithm>
#include <cctype>
#include <ctime>
#include <memory>

#include "base/strings.h"

namespace planetbox {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint32_t kRootEntries = 512;  // FAT16
constexpr size_t kMaxDepth = 8;
constexpr size_t kMaxFiles = 4096;
// The kind of FAT is told by the number of clusters alone; the margins keep away from drivers that
// count one off.
constexpr uint64_t kMin16 = 4085 + 16, kMax16 = 65524 - 16, kMin32 = 65525 + 16;
constexpr uint64_t kMax32 = 0x0ffffff4;

struct Node {
    std::string name;
    std::string short_name;  // 11 characters
    bool needs_long = false;
    bool directory = true;
    bool copy = true;
    std::string_view data;
    std::vector<std::unique_ptr<Node>> children;
    uint32_t first = 0;  // cluster
    uint64_t bytes = 0;  // in clusters: data, or directory entries
};

bool short_char(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-~!#$%&'(){}@^`").find(c) != std::string_view::npos;
}

// "BOOTX64.EFI" → "BOOTX64 EFI"; empty when the name is no 8.3 name in upper case.
std::string plain_short_name(std::string_view name) {
    size_t dot = name.rfind('.');
    std::string_view base = name.substr(0, dot);
    std::string_view extension = dot == name.npos ? "" : name.substr(dot + 1);
    if (base.empty() || base.size() > 8 || extension.size() > 3) return "";
    if (dot != name.npos && extension.empty()) return "";
    if (!std::all_of(base.begin(), base.end(), short_char) ||
        !std::all_of(extension.begin(), extension.end(), short_char))
        return "";
    return strf("%-8.*s%-3.*s", int(base.size()), base.data(), int(extension.size()),
                extension.data());
}

// The alias of a long name: "autoexec.ipxe" → "AUTOEX~1IPX".
std::string alias(std::string_view name, int number) {
    std::string base, extension, tail = strf("~%d", number);
    size_t dot = name.rfind('.');
    for (char c : name.substr(0, dot))
        if (short_char(char(std::toupper(c)))) base += char(std::toupper(c));
    if (dot != name.npos)
        for (char c : name.substr(dot + 1))
            if (short_char(char(std::toupper(c)))) extension += char(std::toupper(c));
    base = base.substr(0, 8 - tail.size()) + tail;
    return strf("%-8s%-3s", base.c_str(), extension.substr(0, 3).c_str());
}

bool good_file_name(std::string_view name) {
    return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
           name.back() != '.' && name.back() != ' ' &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return c >= ' ' && c < 0x7f &&
                      std::string_view("\"*/:<>?\\|").find(c) == std::string_view::npos;
           });
}

size_t entries_of(const Node& node) {
    return 1 + (node.needs_long ? (node.name.size() + 12) / 13 : 0);
}

Result<Node*> child_directory(Node& parent, std::string_view name) {
    for (auto& child : parent.children)
        if (iequals_ascii(child->name, name)) {
            if (!child->directory)
                return fail(Code::kInvalid, str_cat("FAT: ", name, " is a file and a directory"));
            return child.get();
        }
    parent.children.push_back(std::make_unique<Node>());
    parent.children.back()->name = name;
    return parent.children.back().get();
}

Status add_file(Node& root, const FatFile& file) {
    auto parts = split(file.path, '/');
    if (parts.size() > kMaxDepth || !std::all_of(parts.begin(), parts.end(), good_file_name))
        return fail(Code::kInvalid,
                    str_cat("FAT: cannot hold a file named \"", printable(file.path), "\""));
    if (file.data.size() > 0xffffffffu)
        return fail(Code::kTooLarge, str_cat("FAT: ", file.path, " is 4 GiB or more"));
    Node* at = &root;
    for (size_t i = 0; i + 1 < parts.size(); ++i) at = TRY(child_directory(*at, parts[i]));
    for (auto& child : at->children)
        if (iequals_ascii(child->name, parts.back()))
            return fail(Code::kExists, str_cat("FAT: ", file.path, " is there twice"));
    auto node = std::make_unique<Node>();
    node->name = parts.back();
    node->directory = false;
    node->data = file.data;
    node->copy = file.copy;
    node->bytes = file.data.size();
    at->children.push_back(std::move(node));
    return {};
}

// Short names, and the bytes that each directory's entries take.
void finish_names(Node& directory, bool root) {
    size_t entries = root ? 1 : 2;  // the label; "." and ".."
    for (auto& child : directory.children) {
        child->short_name = plain_short_name(child->name);
        child->needs_long = child->short_name.empty();
        auto taken = [&](const std::string& name) {
            return std::any_of(
                directory.children.begin(), directory.children.end(),
                [&](const auto& other) { return other != child && other->short_name == name; });
        };
        for (int number = 1; child->short_name.empty(); ++number)
            if (std::string name = alias(child->name, number); !taken(name))
                child->short_name = name;
        entries += entries_of(*child);
        if (child->directory) finish_names(*child, false);
    }
    directory.bytes = entries * 32;
}

// Fixed before any name is given: aliases must not take a plain name that comes later.
void reserve_plain_names(Node& directory) {
    std::vector<std::unique_ptr<Node>> plain, others;
    for (auto& child : directory.children)
        (plain_short_name(child->name).empty() ? others : plain).push_back(std::move(child));
    for (auto& child : others) plain.push_back(std::move(child));
    directory.children = std::move(plain);
    for (auto& child : directory.children)
        if (child->directory) reserve_plain_names(*child);
}

uint64_t clusters_for(uint64_t bytes, uint64_t cluster) { return (bytes + cluster - 1) / cluster; }

uint64_t clusters_needed(const Node& node, uint64_t cluster, bool count_self) {
    uint64_t total = count_self ? clusters_for(node.bytes, cluster) : 0;
    for (const auto& child : node.children) total += clusters_needed(*child, cluster, true);
    return total;
}

struct Geometry {
    int bits;
    uint64_t sectors_per_cluster;
    uint64_t reserved;  // sectors
    uint64_t fat_sectors;
    uint64_t root_sectors;
    uint64_t clusters;
    uint64_t total_sectors;

    uint64_t cluster() const { return sectors_per_cluster * kSector; }
    uint64_t data_sector() const { return reserved + 2 * fat_sectors + root_sectors; }
    uint64_t offset_of(uint32_t number) const {
        return data_sector() * kSector + (number - 2) * cluster();
    }
};

Geometry geometry_for(int bits, uint64_t sectors_per_cluster, uint64_t clusters) {
    Geometry g{bits, sectors_per_cluster, bits == 16 ? 1u : 32u, 0, 0, clusters, 0};
    g.root_sectors = bits == 16 ? kRootEntries * 32 / kSector : 0;
    g.fat_sectors = clusters_for((clusters + 2) * (uint64_t(bits) / 8), kSector);
    g.total_sectors = g.data_sector() + clusters * sectors_per_cluster;
    return g;
}

// Fills so many sectors.  Readers compute the number of clusters from the sectors that are left, so
// the tables must have room for every one of them.
Geometry geometry_within(int bits, uint64_t sectors_per_cluster, uint64_t sectors) {
    Geometry g = geometry_for(bits, sectors_per_cluster, 0);
    g.total_sectors = sectors;
    auto clusters = [&] {
        return sectors > g.data_sector() ? (sectors - g.data_sector()) / sectors_per_cluster : 0;
    };
    uint64_t entry = uint64_t(bits) / 8;
    while (g.fat_sectors * kSector < (clusters() + 2) * entry) {
        uint64_t missing = (clusters() + 2) * entry - g.fat_sectors * kSector;
        // A step of half of what is missing never goes beyond the smallest that is enough.
        g.fat_sectors += std::max<uint64_t>(1, missing / kSector / 2);
    }
    g.clusters = clusters();
    return g;
}

Result<Geometry> choose_geometry(const Node& root, const FatSpec& spec) {
    int bits = spec.bits ? spec.bits : spec.size >= (uint64_t{512} << 20) ? 32 : 16;
    if (bits != 16 && bits != 32)
        return fail(Code::kInvalid, strf("FAT%d: only 16 and 32 are written", spec.bits));
    const uint64_t least = bits == 16 ? kMin16 : kMin32, most = bits == 16 ? kMax16 : kMax32;
    for (uint64_t spc = 1; spc <= 64; spc *= 2) {
        uint64_t needed = clusters_needed(root, spc * kSector, bits == 32);
        if (spec.size == 0) {
            if (needed > most) continue;
            return geometry_for(bits, spc, std::max(least, needed));
        }
        Geometry g = geometry_within(bits, spc, spec.size / kSector);
        if (g.clusters > most) continue;
        if (g.clusters < least || g.clusters < needed)
            return fail(
                Code::kTooLarge,
                strf("%s is too small for a FAT%d file system with these files (at least "
                     "%s)",
                     human_bytes(spec.size).c_str(), bits,
                     human_bytes(geometry_for(bits, spc, std::max(least, needed)).total_sectors *
                                 kSector)
                         .c_str()));
        return g;
    }
    return fail(Code::kTooLarge, strf("the files do not fit into FAT%d", bits));
}

void allocate(Node& node, const Geometry& g, uint32_t& next, bool root) {
    if (!root || g.bits == 32) {
        uint64_t count = clusters_for(node.bytes, g.cluster());
        node.first = count ? next : 0;
        next += uint32_t(count);
    }
    for (auto& child : node.children) allocate(*child, g, next, false);
}

struct DosTime {
    uint16_t date, time;
};

DosTime dos_time(int64_t unix_time) {
    constexpr int64_t k1980 = 315532800;
    time_t t = time_t(std::clamp<int64_t>(unix_time, k1980, k1980 + int64_t{3600} * 24 * 36524));
    tm parts;
    gmtime_r(&t, &parts);
    return {uint16_t((parts.tm_year - 80) << 9 | (parts.tm_mon + 1) << 5 | parts.tm_mday),
            uint16_t(parts.tm_hour << 11 | parts.tm_min << 5 | parts.tm_sec / 2)};
}

std::string entry(std::string_view short_name, uint8_t attributes, uint32_t cluster, uint32_t size,
                  DosTime when) {
    std::string out(32, '\0');
    out.replace(0, 11, short_name);
    out[11] = char(attributes);
    put_le(out, 14, when.time, 2);
    put_le(out, 16, when.date, 2);
    put_le(out, 18, when.date, 2);
    put_le(out, 20, cluster >> 16, 2);
    put_le(out, 22, when.time, 2);
    put_le(out, 24, when.date, 2);
    put_le(out, 26, cluster & 0xffff, 2);
    put_le(out, 28, size, 4);
    return out;
}

uint8_t name_checksum(std::string_view short_name) {
    uint8_t sum = 0;
    for (char c : short_name) sum = uint8_t((sum << 7 | sum >> 1) + uint8_t(c));
    return sum;
}

// The long name's entries, last part first, in front of the short one.
std::string long_entries(const Node& node) {
    constexpr int kPlaces[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    std::string out;
    size_t count = (node.name.size() + 12) / 13;
    for (size_t i = count; i-- > 0;) {
        std::string part(32, '\0');
        part[0] = char(uint8_t(i + 1) | (i + 1 == count ? 0x40 : 0));
        part[11] = 0x0f;
        part[13] = char(name_checksum(node.short_name));
        for (size_t k = 0; k < 13; ++k) {
            size_t at = i * 13 + k;
            uint16_t unit = at < node.name.size()    ? uint8_t(node.name[at])
                            : at == node.name.size() ? 0
                                                     : 0xffff;
            put_le(part, size_t(kPlaces[k]), unit, 2);
        }
        out += part;
    }
    return out;
}

std::string directory_bytes(const Node& node, uint32_t parent, bool root, const FatSpec& spec) {
    DosTime when = dos_time(spec.unix_time);
    std::string out;
    if (root) {
        out += entry(strf("%-11s", spec.label.c_str()), 0x08, 0, 0, when);
    } else {
        out += entry(".          ", 0x10, node.first, 0, when);
        out += entry("..         ", 0x10, parent, 0, when);
    }
    for (const auto& child : node.children) {
        if (child->needs_long) out += long_entries(*child);
        out += entry(child->short_name, child->directory ? 0x10 : 0x20, child->first,
                     child->directory ? 0 : uint32_t(child->data.size()), when);
    }
    return out;
}

void put_tree(Image& image, std::string& fat, const Node& node, uint32_t parent, bool root,
              const Geometry& g, const FatSpec& spec) {
    if (node.first) {
        uint64_t count = clusters_for(node.bytes, g.cluster());
        size_t width = size_t(g.bits) / 8;
        for (uint64_t i = 0; i < count; ++i) {
            uint64_t value = i + 1 < count  ? node.first + i + 1
                             : g.bits == 16 ? 0xffff
                                            : 0x0fffffff;
            put_le(fat, (node.first + i) * width, value, width);
        }
    }
    if (!node.directory) {
        if (node.first && node.copy) image.put(g.offset_of(node.first), std::string(node.data));
        if (node.first && !node.copy) image.share(g.offset_of(node.first), node.data);
        return;
    }
    uint64_t offset =
        root && g.bits == 16 ? (g.reserved + 2 * g.fat_sectors) * kSector : g.offset_of(node.first);
    image.put(offset, directory_bytes(node, parent, root, spec));
    // ".." of a directory below the root holds 0 for the root, on FAT32 too.
    for (const auto& child : node.children)
        put_tree(image, fat, *child, root ? 0 : node.first, false, g, spec);
}

std::string boot_sector(const Geometry& g, const FatSpec& spec) {
    std::string b(kSector, '\0');
    const bool fat16 = g.bits == 16;
    // A jump over the parameters into code that halts: a BIOS that boots this stops with dignity.
    b.replace(0, 3, fat16 ? "\xeb\x3c\x90" : "\xeb\x58\x90");
    b.replace(3, 8, "PLNETBOX");
    put_le(b, 11, kSector, 2);
    put_le(b, 13, g.sectors_per_cluster, 1);
    put_le(b, 14, g.reserved, 2);
    b[16] = 2;
    put_le(b, 17, fat16 ? kRootEntries : 0, 2);
    bool small = fat16 && g.total_sectors < 65536;
    put_le(b, 19, small ? g.total_sectors : 0, 2);
    b[21] = char(0xf8);
    put_le(b, 22, fat16 ? g.fat_sectors : 0, 2);
    put_le(b, 24, 32, 2);  // sectors a track and heads: nobody looks
    put_le(b, 26, 64, 2);
    put_le(b, 28, spec.hidden_sectors, 4);
    put_le(b, 32, small ? 0 : g.total_sectors, 4);
    size_t tail = fat16 ? 36 : 64;
    if (!fat16) {
        put_le(b, 36, g.fat_sectors, 4);
        put_le(b, 44, 2, 4);  // the root's first cluster
        put_le(b, 48, 1, 2);  // FSInfo
        put_le(b, 50, 6, 2);  // the backup of this sector
    }
    b[tail] = char(0x80);
    b[tail + 2] = 0x29;
    put_le(b, tail + 3, spec.serial, 4);
    b.replace(tail + 7, 11, strf("%-11s", spec.label.c_str()));
    b.replace(tail + 18, 8, fat16 ? "FAT16   " : "FAT32   ");
    b.replace(fat16 ? 62 : 90, 3, "\xf4\xeb\xfd");  // hlt, and again
    b[510] = 0x55;
    b[511] = char(0xaa);
    return b;
}

std::string fs_info(uint64_t free, uint64_t next) {
    std::string s(kSector, '\0');
    put_le(s, 0, 0x41615252, 4);
    put_le(s, 484, 0x61417272, 4);
    put_le(s, 488, free, 4);
    put_le(s, 492, next, 4);
    put_le(s, 508, 0xaa550000, 4);
    return s;
}

}  // namespace

Result<Image> make_fat(const FatSpec& spec) {
    if (spec.label.empty() || spec.label.size() > 11 ||
        !std::all_of(spec.label.begin(), spec.label.end(), short_char))
        return fail(Code::kInvalid, "FAT: a label is 1 to 11 of A-Z, 0-9, '_', '-'");
    if (spec.files.size() > kMaxFiles) return fail(Code::kTooLarge, "FAT: over 4,096 files");
    Node root;
    for (const FatFile& file : spec.files) TRY(add_file(root, file));
    reserve_plain_names(root);
    finish_names(root, true);
    Geometry g = TRY(choose_geometry(root, spec));
    if (g.bits == 16 && root.bytes > kRootEntries * 32)
        return fail(Code::kTooLarge, "FAT: too many files in the top directory");
    uint32_t next = 2;
    allocate(root, g, next, true);
    std::string fat(g.fat_sectors * kSector, '\0');
    put_le(fat, 0, g.bits == 16 ? 0xfff8 : 0x0ffffff8, size_t(g.bits) / 8);
    put_le(fat, size_t(g.bits) / 8, g.bits == 16 ? 0xffff : 0x0fffffff, size_t(g.bits) / 8);

    Image image;
    image.resize(g.total_sectors * kSector);
    std::string boot = boot_sector(g, spec);
    if (g.bits == 32) {
        std::string info = fs_info(g.clusters - (next - 2), next);
        for (uint64_t at : {uint64_t{1}, uint64_t{7}}) image.put(at * kSector, info);
        image.put(6 * kSector, boot);
    }
    image.put(0, std::move(boot));
    put_tree(image, fat, root, 0, true, g, spec);
    // Only as far as it is used: the rest is zero.
    fat.resize(
        std::min<size_t>(fat.size(), (next * size_t(g.bits) / 8 + kSector) / kSector * kSector));
    image.put((g.reserved + g.fat_sectors) * kSector, fat);
    image.put(g.reserved * kSector, std::move(fat));
    return image;
}

}  // namespace planetbox
