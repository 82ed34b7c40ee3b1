#include "media/ipxe_binary.h"

#include <optional>

#include "base/bytes.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "media/image.h"

namespace planetbox {
namespace {

// SHA-256 of the certificate of iPXE's own root CA.
constexpr std::string_view kStockRoot(
    "\x9f\xaf\x71\x7b\x7f\x8c\xa2\xf9\x3c\x25\x6c\x79\xf8\xac\x55\x91"
    "\x89\x5d\x66\xd1\xff\x3b\xee\x63\x97\xa7\x0d\x29\xc6\x5e\xed\x1a",
    32);

size_t count(std::string_view text, std::string_view part) {
    size_t found = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
}

struct PeHeader {
    size_t optional_header;  // offset
    uint64_t machine;
    uint64_t checksum;
    uint64_t signature_size;
};

// PE/COFF (Microsoft's specification §3): only what is needed here.
std::optional<PeHeader> parse_pe(std::string_view efi) {
    if (!efi.starts_with("MZ")) return std::nullopt;
    uint64_t pe = get_le(efi, 0x3c, 4);
    if (pe > efi.size() || efi.size() - pe < 24 + 160 ||
        efi.substr(pe, 4) != std::string_view("PE\0\0", 4))
        return std::nullopt;
    size_t optional = pe + 24;
    uint64_t magic = get_le(efi, optional, 2), subsystem = get_le(efi, optional + 68, 2);
    // PE32+ (0x20b) or PE32 (0x10b); an EFI application has subsystem 10.
    if ((magic != 0x20b && magic != 0x10b) || subsystem != 10) return std::nullopt;
    size_t directories = optional + (magic == 0x20b ? 112 : 96);
    return PeHeader{optional, get_le(efi, pe + 4, 2), get_le(efi, optional + 64, 4),
                    get_le(efi, directories + 4 * 8 + 4, 4)};
}

// The sum that Windows' loader checks.  No UEFI firmware looks at it and iPXE leaves it zero; a
// build that has one shall have a right one.
uint32_t pe_checksum(std::string_view efi, size_t checksum_offset) {
    uint64_t sum = 0;
    for (size_t at = 0; at < efi.size(); at += 2) {
        if (at == checksum_offset || at == checksum_offset + 2) continue;
        sum += uint8_t(efi[at]) | (at + 1 < efi.size() ? uint8_t(efi[at + 1]) << 8 : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return uint32_t(sum + efi.size());
}

}  // namespace

Result<std::string> efi_boot_name(std::string_view efi) {
    auto pe = parse_pe(efi);
    switch (pe ? pe->machine : 0) {
        case 0x8664:
            return "BOOTX64.EFI";
        case 0x014c:
            return "BOOTIA32.EFI";
        case 0xaa64:
            return "BOOTAA64.EFI";
        case 0x5064:
            return "BOOTRISCV64.EFI";
        case 0x6264:
            return "BOOTLOONGARCH64.EFI";
    }
    return fail(Code::kInvalid, "is not an EFI application");
}

bool ipxe_trusts(std::string_view efi, std::string_view root_sha256) {
    return count(efi, root_sha256) == 1;
}

bool ipxe_is_stock(std::string_view efi) { return count(efi, kStockRoot) > 0; }

Result<std::string> reanchor_ipxe(std::string_view efi, std::string_view root_sha256,
                                  const std::string& name) {
    CHECK(root_sha256.size() == kSha256Size);
    auto pe = parse_pe(efi);
    if (!pe) return fail(Code::kInvalid, name + ": is not an EFI application");
    size_t found = count(efi, kStockRoot);
    if (found == 0 && ipxe_trusts(efi, root_sha256)) return std::string(efi);
    if (found == 0)
        return fail(Code::kInvalid,
                    name +
                        ": does not hold the hash of iPXE's root certificate, so it cannot be made "
                        "to trust this fleet's CA; take ipxe-amd64.efi of Debian trixie's package "
                        "ipxe, or build iPXE with TRUST= this CA's certificate");
    if (found > 1)
        return fail(Code::kInvalid,
                    strf("%s: holds the hash of iPXE's root certificate %zu times instead of once; "
                         "which one it trusts cannot be told",
                         name.c_str(), found));
    if (pe->signature_size)
        return fail(Code::kInvalid,
                    name +
                        ": is signed for Secure Boot, and the signature would no longer hold; take "
                        "an unsigned one and sign what comes out");
    std::string out(efi);
    out.replace(efi.find(kStockRoot), kStockRoot.size(), root_sha256);
    if (pe->checksum)
        put_le(out, pe->optional_header + 64, pe_checksum(out, pe->optional_header + 64), 4);
    return out;
}

}  // namespace planetbox
