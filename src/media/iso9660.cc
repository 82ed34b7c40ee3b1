#include "media/iso9660.h"

#include <algorithm>
#include <ctime>

#include "base/strings.h"

namespace planetbox {
namespace {

constexpr uint64_t kSector = 2048;
// The layout: descriptors, path tables, directory, catalogue, the small files, the boot image.
constexpr uint64_t kPrimary = 16, kBootRecord = 17, kTerminator = 18, kPathLittle = 19,
                   kPathBig = 20, kRoot = 21, kCatalogue = 22, kFirstFile = 23;
constexpr std::string_view kBootName = "EFIBOOT.IMG";

uint64_t sectors(uint64_t bytes) { return (bytes + kSector - 1) / kSector; }

void put_be(std::string& table, size_t offset, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
        table.at(offset + i) = char(value >> 8 * (bytes - 1 - i) & 255);
}

// ISO 9660 writes most numbers twice, in both orders.
void put_both(std::string& table, size_t offset, uint64_t value, size_t bytes) {
    put_le(table, offset, value, bytes);
    put_be(table, offset + bytes, value, bytes);
}

tm split_time(int64_t unix_time) {
    constexpr int64_t k1980 = 315532800, k2100 = 4102444800;
    time_t t = time_t(std::clamp(unix_time, k1980, k2100));
    tm parts;
    gmtime_r(&t, &parts);
    return parts;
}

void put_text(std::string& table, size_t offset, std::string_view text, size_t width) {
    std::string padded(text.substr(0, width));
    padded.resize(width, ' ');
    table.replace(offset, width, padded);
}

std::string directory_record(std::string_view name, uint64_t sector, uint64_t bytes, bool directory,
                             const tm& when) {
    std::string r(33 + name.size() + (name.size() % 2 == 0), '\0');
    put_le(r, 0, r.size(), 1);
    put_both(r, 2, sector, 4);
    put_both(r, 10, bytes, 4);
    const int fields[] = {
        when.tm_year, when.tm_mon + 1, when.tm_mday, when.tm_hour, when.tm_min, when.tm_sec, 0};
    for (size_t i = 0; i < 7; ++i) r[18 + i] = char(fields[i]);
    r[25] = directory ? 2 : 0;
    put_both(r, 28, 1, 2);
    put_le(r, 32, name.size(), 1);
    r.replace(33, name.size(), name);
    return r;
}

std::string primary_descriptor(const IsoSpec& spec, uint64_t total, const tm& when) {
    std::string d(kSector, '\0');
    d.replace(0, 7,
              std::string_view("\x01"
                               "CD001\x01",
                               7));
    put_text(d, 8, "", 32);
    put_text(d, 40, spec.label, 32);
    put_both(d, 80, total, 4);
    put_both(d, 120, 1, 2);
    put_both(d, 124, 1, 2);
    put_both(d, 128, kSector, 2);
    put_both(d, 132, 10, 4);  // bytes of a path table that holds the root alone
    put_le(d, 140, kPathLittle, 4);
    put_be(d, 148, kPathBig, 4);
    std::string root = directory_record(std::string_view("\0", 1), kRoot, kSector, true, when);
    d.replace(156, root.size(), root);
    for (size_t at : {190u, 318u, 446u}) put_text(d, at, "", 128);
    put_text(d, 574, "PLANETBOX", 128);
    for (size_t at : {702u, 739u, 776u}) put_text(d, at, "", 37);
    std::string date = strf("%04d%02d%02d%02d%02d%02d00", when.tm_year + 1900, when.tm_mon + 1,
                            when.tm_mday, when.tm_hour, when.tm_min, when.tm_sec);
    for (size_t at : {813u, 830u}) d.replace(at, 16, date);
    for (size_t at : {847u, 864u}) d.replace(at, 16, std::string(16, '0'));
    d[881] = 1;
    return d;
}

std::string boot_record() {
    std::string d(kSector, '\0');
    d.replace(0, 7,
              std::string_view("\x00"
                               "CD001\x01",
                               7));
    d.replace(7, 23, "EL TORITO SPECIFICATION");
    put_le(d, 71, kCatalogue, 4);
    return d;
}

std::string catalogue(uint64_t boot_sector, uint64_t boot_bytes) {
    std::string c(kSector, '\0');
    c[0] = 1;           // validation entry
    c[1] = char(0xef);  // platform EFI
    put_text(c, 4, "planetbox", 24);
    c[30] = 0x55;
    c[31] = char(0xaa);
    uint64_t sum = 0;
    for (size_t i = 0; i < 32; i += 2) sum += get_le(c, i, 2);
    put_le(c, 28, 0x10000 - (sum & 0xffff), 2);
    c[32] = char(0x88);  // bootable, no emulation
    // In 512-byte blocks; what 16 bits cannot say is 0, which firmware reads as "to the end".
    uint64_t blocks = (boot_bytes + 511) / 512;
    put_le(c, 38, blocks > 0xffff ? 0 : blocks, 2);
    put_le(c, 40, boot_sector, 4);
    return c;
}

bool good_iso_name(std::string_view name) {
    auto parts = split(name, '.');
    auto good = [](std::string_view part, size_t longest) {
        return !part.empty() && part.size() <= longest &&
               std::all_of(part.begin(), part.end(), [](char c) {
                   return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
               });
    };
    return parts.size() == 2 && good(parts[0], 8) && good(parts[1], 3);
}

void put_path_tables(Image& image) {
    std::string little(10, '\0'), big(10, '\0');
    little[0] = big[0] = 1;
    put_le(little, 2, kRoot, 4);
    put_be(big, 2, kRoot, 4);
    put_le(little, 6, 1, 2);
    put_be(big, 6, 1, 2);
    image.put(kPathLittle * kSector, std::move(little));
    image.put(kPathBig * kSector, std::move(big));
}

struct Extent {
    std::string name;
    uint64_t sector, bytes;
};

// ISO 9660 wants the records sorted by name.
Result<std::string> root_directory(std::vector<Extent> extents, const tm& when) {
    std::sort(extents.begin(), extents.end(),
              [](const Extent& a, const Extent& b) { return a.name < b.name; });
    std::string root = directory_record(std::string_view("\0", 1), kRoot, kSector, true, when) +
                       directory_record("\x01", kRoot, kSector, true, when);
    for (const Extent& extent : extents)
        root += directory_record(extent.name + ";1", extent.sector, extent.bytes, false, when);
    if (root.size() > kSector) return fail(Code::kTooLarge, "ISO: too many files");
    return root;
}

}  // namespace

Result<Image> make_iso(const IsoSpec& spec, const Image& boot_image) {
    const tm when = split_time(spec.unix_time);
    Image image;
    uint64_t next = kFirstFile;
    std::vector<Extent> extents;
    for (const IsoFile& file : spec.files) {
        if (!good_iso_name(file.name))
            return fail(Code::kInvalid, str_cat("ISO: bad file name ", printable(file.name)));
        extents.push_back({file.name, next, file.data.size()});
        image.put(next * kSector, file.data);
        next += std::max<uint64_t>(1, sectors(file.data.size()));
    }
    uint64_t boot_sector = next, boot_bytes = boot_image.size();
    if (boot_bytes > 0xfffff000) return fail(Code::kTooLarge, "ISO: the boot image is over 4 GiB");
    extents.push_back({std::string(kBootName), boot_sector, boot_bytes});
    image.put_image(boot_sector * kSector, boot_image);
    // Behind it, room for the second partition table, in whole sectors.
    uint64_t total = boot_sector + sectors(boot_bytes) + sectors(kGptTail);

    image.put(kPrimary * kSector, primary_descriptor(spec, total, when));
    image.put(kBootRecord * kSector, boot_record());
    image.put(kTerminator * kSector, std::string("\xff"
                                                 "CD001\x01"));
    put_path_tables(image);
    image.put(kRoot * kSector, TRY(root_directory(std::move(extents), when)));
    image.put(kCatalogue * kSector, catalogue(boot_sector, boot_bytes));
    GptSpec gpt{spec.disk_guid,
                spec.partition_guid,
                "EFI system partition",
                boot_sector * (kSector / kGptBlock),
                (boot_bytes + kGptBlock - 1) / kGptBlock,
                total * (kSector / kGptBlock)};
    TRY(put_gpt(image, gpt));
    return image;
}

bool looks_like_iso(std::string_view disk) {
    return disk.size() > 32 * kSector && disk.substr(kPrimary * kSector + 1, 5) == "CD001";
}

Result<IsoInfo> read_iso(std::string_view disk) {
    if (!looks_like_iso(disk)) return fail(Code::kProtocol, "not an ISO 9660 image");
    IsoInfo info;
    info.label = trim(disk.substr(kPrimary * kSector + 40, 32));
    std::string_view record = disk.substr(kBootRecord * kSector, kSector);
    uint64_t catalogue_at = get_le(record, 71, 4) * kSector;
    if (record.substr(7, 23) != "EL TORITO SPECIFICATION" || catalogue_at + 64 > disk.size())
        return fail(Code::kProtocol, "the ISO has no boot catalogue (El Torito)");
    std::string_view c = disk.substr(catalogue_at, 64);
    uint64_t sum = 0;
    for (size_t i = 0; i < 32; i += 2) sum += get_le(c, i, 2);
    if (get_le(c, 0, 2) != 0xef01 || get_le(c, 30, 2) != 0xaa55 || (sum & 0xffff) != 0)
        return fail(Code::kProtocol, "the ISO's boot catalogue is damaged or not for UEFI");
    if (get_le(c, 32, 1) != 0x88)
        return fail(Code::kProtocol, "the ISO's boot entry is not bootable");
    info.boot_offset = get_le(c, 40, 4) * kSector;
    info.boot_size = get_le(c, 38, 2) * 512;
    if (info.boot_offset >= disk.size() || info.boot_offset + info.boot_size > disk.size())
        return fail(Code::kProtocol, "the ISO's boot image lies beyond the end: it is cut off");
    return info;
}

}  // namespace planetbox
