#include "media/check.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/strings.h"
#include "media/fat.h"
#include "media/gpt.h"
#include "media/ipxe_binary.h"
#include "media/iso9660.h"
#include "media/medium.h"

namespace planetbox {
namespace {

struct Reading {
    FatReader fat;
    const std::optional<std::string>& root;
    MediumReport report;

    void fact(std::string text) { report.facts.push_back(std::move(text)); }
    void problem(std::string text) { report.problems.push_back(std::move(text)); }
};

Result<std::string_view> find_file_system(std::string_view disk, MediumReport& report) {
    auto gpt = read_gpt(disk);
    if (looks_like_iso(disk)) {
        IsoInfo iso = TRY(read_iso(disk));
        report.kind = "iso";
        report.facts.push_back(str_cat("ISO 9660 \"", printable(iso.label), "\", boots by UEFI"));
        if (!gpt)
            report.problems.push_back(
                str_cat("copied to a USB stick it would not boot: ", gpt.error().message()));
        return disk.substr(iso.boot_offset, iso.boot_size ? iso.boot_size : std::string_view::npos);
    }
    if (!gpt) return fail(std::move(gpt.error()));
    report.facts.push_back(
        str_cat("GUID partition table ", guid_text(gpt->disk_guid), ", checksums right"));
    if (!gpt->secondary_ok)
        report.facts.push_back(
            "the second partition table is not at the end (as on a larger stick)");
    return disk.substr(gpt->first_block * kGptBlock,
                       (gpt->last_block - gpt->first_block + 1) * kGptBlock);
}

// Every file is read once, which follows its cluster chain to the end.
Result<std::vector<std::string>> read_all(Reading& reading) {
    std::vector<std::string> paths;
    uint64_t bytes = 0;
    for (const FatReader::Entry& entry : TRY(reading.fat.list())) {
        if (entry.directory) continue;
        paths.push_back(entry.path);
        bytes += entry.size;
        auto content = reading.fat.read(entry.path, uint64_t{2} << 30);
        if (!content) reading.problem(content.error().message());
    }
    reading.fact(strf("FAT%d \"%s\", %zu files, %s", reading.fat.bits(),
                      printable(reading.fat.label()).c_str(), paths.size(),
                      human_bytes(bytes).c_str()));
    return paths;
}

void read_plnode(Reading& reading) {
    auto text = reading.fat.read("plnode.txt", kPlnodeLimit);
    auto node = text ? parse_plnode(*text) : Result<Plnode>(fail(std::move(text.error())));
    if (!node) return reading.problem(node.error().message());
    reading.report.host = plnode_hostname(*node);
    reading.report.server = node->boot_server;
    if (!node->node_key.empty()) reading.report.key_id = node_key_id(node->node_key);
    std::string v4 = plnode_epoxy_ipv4(*node), v6 = plnode_epoxy_ipv6(*node);
    reading.report.network = v4.empty() ? "dhcp" : "static " + v4;
    if (!v6.empty()) reading.report.network += ", static " + v6;
    if (node->boot_server.empty()) reading.problem("plnode.txt names no boot server");
}

// A script's "set NAME VALUE".
std::string script_value(std::string_view script, std::string_view name) {
    std::string start = str_cat("set ", name, " ");
    for (std::string_view line : split(script, '\n'))
        if (line.starts_with(start)) return std::string(trim(line.substr(start.size())));
    return "";
}

void check_ipxe(Reading& reading, const std::string& path, std::string_view efi) {
    if (ipxe_is_stock(efi))
        return reading.problem(path + ": iPXE trusts its makers' CA and not the fleet's");
    if (!reading.root) {
        reading.fact(path +
                     ": iPXE that does not trust its makers' CA; give --ca to see whether it "
                     "trusts yours");
    } else if (ipxe_trusts(efi, *reading.root)) {
        reading.fact(str_cat(path, ": iPXE that trusts the CA ",
                             hex(as_bytes(*reading.root)).substr(0, 16), "…"));
    } else {
        reading.problem(str_cat(path, ": iPXE does not trust the CA ",
                                hex(as_bytes(*reading.root)).substr(0, 16),
                                "…: the medium is of "
                                "another fleet, or older than its CA"));
    }
}

void check_autoexec(Reading& reading, const std::string& path) {
    auto script = reading.fat.read(path, 64 * 1024);
    if (!script) return reading.problem(script.error().message());
    std::string host = script_value(*script, "host"), server = script_value(*script, "boot_server");
    if (!script->starts_with("#!ipxe\n")) return reading.problem(path + ": is no iPXE script");
    if (host != reading.report.host)
        reading.problem(str_cat(path, " is for \"", printable(host), "\", plnode.txt for \"",
                                printable(reading.report.host), "\""));
    if (server != reading.report.server)
        reading.problem(path + ": names another boot server than plnode.txt");
}

void check_bootcd(Reading& reading, const std::vector<std::string>& paths) {
    for (const char* name : {"loader/entries/planetbox.conf", "planetbox/vmlinuz",
                             "planetbox/initramfs", "planetbox/node.cpio"})
        if (std::find(paths.begin(), paths.end(), name) == paths.end())
            reading.problem(str_cat(name, ": is missing"));
    auto entry = reading.fat.read("loader/entries/planetbox.conf", 64 * 1024);
    if (entry &&
        entry->find(str_cat("/v1/boot/", reading.report.host, "/stage1.json")) == entry->npos)
        reading.problem("the loader's entry is for another host than plnode.txt");
}

void check_applications(Reading& reading, const std::vector<std::string>& paths) {
    bool autoexec = false, any = false;
    for (const std::string& path : paths) autoexec |= path.ends_with("autoexec.ipxe");
    if (reading.report.kind.empty()) reading.report.kind = autoexec ? "usb" : "bootcd";
    for (const std::string& path : paths) {
        std::string lower = lower_ascii(path);
        if (!lower.starts_with("efi/boot/boot") || !lower.ends_with(".efi")) continue;
        any = true;
        auto efi = reading.fat.read(path, kEfiLimit);
        auto name = efi ? efi_boot_name(*efi) : Result<std::string>(fail(std::move(efi.error())));
        if (!name || !iequals_ascii("EFI/BOOT/" + *name, path))
            reading.problem(path +
                            ": is not an EFI application for the machine that its name says");
        else if (autoexec)
            check_ipxe(reading, path, *efi);
        else
            reading.fact(path + ": the boot loader");
    }
    if (!any) reading.problem("there is no EFI/BOOT/BOOT….EFI that firmware would start");
    for (const std::string& path : paths)
        if (path.ends_with("autoexec.ipxe")) check_autoexec(reading, path);
    if (!autoexec) check_bootcd(reading, paths);
}

}  // namespace

Result<MediumReport> check_medium_image(std::string_view disk,
                                        const std::optional<std::string>& root_sha256) {
    MediumReport report;
    std::string_view bytes = TRY(find_file_system(disk, report));
    Reading reading{TRY(FatReader::open(bytes)), root_sha256, std::move(report)};
    std::vector<std::string> paths = TRY(read_all(reading));
    read_plnode(reading);
    check_applications(reading, paths);
    return std::move(reading.report);
}

}  // namespace planetbox
