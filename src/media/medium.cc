#include "media/medium.h"

#include "base/bytes.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "media/fat.h"
#include "media/gpt.h"
#include "media/iso9660.h"
#include "wire/cpio.h"

namespace planetbox {
namespace {

constexpr std::string_view kReadme =
    "This is the boot medium of one machine. It starts the machine named in plnode.txt from its "
    "boot\r\n"
    "server over HTTPS. plnode.txt and autoexec.ipxe hold the machine's key: keep the medium as "
    "you\r\n"
    "would keep the machine. `planetbox media check` says what is on it.\r\n";

constexpr std::string_view kLoaderConf = "default planetbox.conf\ntimeout 2\neditor no\n";

// Length-prefixed, so that no two lists of parts give the same bytes.
void add_part(Sha256& hash, std::string_view part) {
    hash.update(strf("%zu:", part.size()));
    hash.update(part);
}

struct Content {
    std::string plnode;
    std::string autoexec;
    std::string initrd;
    std::string entry, rescue_entry;  // systemd-boot's
    std::string seed;                 // of all identifiers
};

std::string loader_entry(std::string_view title, const std::string& cmdline) {
    return str_cat("title ", title, "\nlinux /planetbox/vmlinuz\ninitrd /planetbox/initramfs\n",
                   "initrd /planetbox/node.cpio\noptions ", cmdline, "\n");
}

Result<Content> make_content(MediumKind kind, const MediaKit& kit, const MediumSpec& spec) {
    CHECK(kit.digest.size() == kSha256Size);
    Content content;
    content.plnode = TRY(write_plnode(spec.node));
    if (kind == MediumKind::kBootcd) {
        std::string host = plnode_hostname(spec.node), cmdline = make_cmdline(kit, spec);
        content.initrd = TRY(make_node_initrd(kit, spec));
        content.entry = loader_entry("planetbox: " + host, cmdline);
        content.rescue_entry =
            loader_entry("planetbox: rescue " + host, cmdline + " planetbox.rescue");
    } else {
        content.autoexec = TRY(make_autoexec(spec, ScriptHome::kDisk));
    }
    Sha256 hash;
    for (std::string_view part :
         {std::string_view(kit.digest), std::string_view(content.plnode),
          std::string_view(content.autoexec), std::string_view(content.entry)})
        add_part(hash, part);
    add_part(hash, strf("%d %lld", int(kind), static_cast<long long>(spec.issued)));
    content.seed = hash.finish();
    return content;
}

// Different identifiers of one medium, from its seed.
std::string derive(const std::string& seed, std::string_view what) {
    return sha256(str_cat(what, ":", seed));
}

FatSpec esp_spec(MediumKind kind, const MediaKit& kit, const MediumSpec& spec,
                 const Content& content) {
    FatSpec fat;
    fat.label = "PLANETBOX";
    fat.serial = uint32_t(get_le(derive(content.seed, "volume"), 0, 4));
    fat.unix_time = spec.issued;
    const bool bootcd = kind == MediumKind::kBootcd;
    for (const MediaKit::Binary& binary : bootcd ? kit.loader : kit.ipxe)
        fat.files.push_back({"EFI/BOOT/" + binary.boot_name, binary.data, false});
    if (bootcd) {
        fat.files.push_back({"planetbox/vmlinuz", kit.kernel, false});
        fat.files.push_back({"planetbox/initramfs", kit.initramfs, false});
        fat.files.push_back({"planetbox/node.cpio", content.initrd});
        fat.files.push_back({"loader/loader.conf", kLoaderConf});
        fat.files.push_back({"loader/entries/planetbox.conf", content.entry});
        fat.files.push_back({"loader/entries/rescue.conf", content.rescue_entry});
    } else {
        fat.files.push_back({"EFI/BOOT/autoexec.ipxe", content.autoexec});
    }
    fat.files.push_back({"plnode.txt", content.plnode});
    fat.files.push_back({"README.TXT", kReadme});
    return fat;
}

Status check_kit(MediumKind kind, const MediaKit& kit) {
    if (kind != MediumKind::kBootcd)
        return kit.ipxe.empty() ? fail(Code::kInvalid, "no iPXE binary is given") : Status();
    if (kit.loader.empty() || kit.kernel.empty() || kit.initramfs.empty())
        return fail(Code::kInvalid,
                    "a medium without iPXE needs a boot loader, a kernel and an initramfs");
    return {};
}

Result<Image> make_disk(FatSpec fat, const Content& content, const MediumOptions& options) {
    GptSpec gpt;
    gpt.disk_guid = make_guid(derive(content.seed, "disk"));
    gpt.partition_guid = make_guid(derive(content.seed, "partition"));
    gpt.partition_name = "EFI system partition";
    fat.bits = options.fat_bits;
    fat.hidden_sectors = uint32_t(gpt.first_block);
    uint64_t around = gpt.first_block * kGptBlock + kGptTail;
    if (options.size) {
        if (options.size <= around)
            return fail(Code::kTooLarge, "the size asked for leaves no room for a file system");
        gpt.disk_blocks = options.size / kGptBlock;
        fat.size = (options.size - around) / kGptBlock * kGptBlock;
    }
    Image esp = TRY(make_fat(fat));
    gpt.blocks = esp.size() / kGptBlock;
    Image disk;
    disk.put_image(gpt.first_block * kGptBlock, esp);
    TRY(put_gpt(disk, gpt));
    return disk;
}

Result<Image> make_cd(FatSpec fat, const MediumSpec& spec, const Content& content) {
    Image esp = TRY(make_fat(fat));
    IsoSpec iso;
    iso.label = "PLANETBOX";
    iso.unix_time = spec.issued;
    iso.disk_guid = make_guid(derive(content.seed, "disk"));
    iso.partition_guid = make_guid(derive(content.seed, "partition"));
    iso.files = {{"PLNODE.TXT", content.plnode}, {"README.TXT", std::string(kReadme)}};
    return make_iso(iso, esp);
}

}  // namespace

void seal_kit(MediaKit& kit) {
    Sha256 hash;
    for (const auto* list : {&kit.ipxe, &kit.loader}) {
        for (const MediaKit::Binary& binary : *list) {
            add_part(hash, binary.boot_name);
            add_part(hash, binary.data);
        }
        add_part(hash, "");
    }
    for (const std::string* part :
         {&kit.kernel, &kit.initramfs, &kit.cmdline, &kit.ca_pem, &kit.rescue_keys})
        add_part(hash, *part);
    kit.digest = hash.finish();
}

Status check_medium(const MediumSpec& spec) {
    TRY(check_plnode(spec.node));
    if (spec.node.boot_server.empty())
        return fail(Code::kInvalid, str_cat(plnode_hostname(spec.node),
                                            ": no boot server is named (BOOT_SERVER, --server)"));
    TRY(write_plnode(spec.node));
    return {};
}

Result<Image> make_medium(MediumKind kind, const MediaKit& kit, const MediumSpec& spec,
                          const MediumOptions& options) {
    TRY(check_medium(spec));
    TRY(check_kit(kind, kit));
    Content content = TRY(make_content(kind, kit, spec));
    FatSpec fat = esp_spec(kind, kit, spec, content);
    if (kind == MediumKind::kIso) return make_cd(std::move(fat), spec, content);
    return make_disk(std::move(fat), content, options);
}

Result<std::string> make_node_initrd(const MediaKit& kit, const MediumSpec& spec) {
    TRY(check_medium(spec));
    std::string plnode = TRY(write_plnode(spec.node));
    CpioWriter cpio(spec.issued);
    cpio.directory("etc");
    cpio.directory("etc/planetbox");
    cpio.file("etc/planetbox/plnode.txt", plnode, 0600);
    if (!kit.ca_pem.empty()) cpio.file("etc/planetbox/ca.pem", kit.ca_pem);
    if (!kit.rescue_keys.empty()) cpio.file("etc/planetbox/rescue_keys", kit.rescue_keys, 0600);
    cpio.finish();
    return cpio.take();
}

std::string make_cmdline(const MediaKit& kit, const MediumSpec& spec) {
    std::string host = plnode_hostname(spec.node);
    std::string out = str_cat("epoxy.stage1=", spec.node.boot_server, "/v1/boot/", host,
                              "/stage1.json epoxy.hostname=", host);
    if (std::string v4 = plnode_epoxy_ipv4(spec.node); !v4.empty())
        out += str_cat(" epoxy.ipv4=", v4);
    if (std::string v6 = plnode_epoxy_ipv6(spec.node); !v6.empty())
        out += str_cat(" epoxy.ipv6=", v6);
    // A panic ends in a restart, not in a machine that hangs.
    out += " panic=30";
    if (!kit.cmdline.empty()) out += str_cat(" ", kit.cmdline);
    return out;
}

std::string node_key_id(std::string_view key) { return sha256_hex(key).substr(0, 8); }

}  // namespace planetbox
