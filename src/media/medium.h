// Boot media for one node: what lies on them, and the images made of it.
//
// A MediumSpec is one node, a MediaKit what all nodes of a fleet share; both come as plain values,
// the applet knows where from.  Same spec and kit, same bytes: identifiers and serial numbers are
// hashes of the content, times are the key's date.  Nothing here blocks or reads a file.
//
// What every medium holds: plnode.txt (wire/plnode.h, with the node's key) and a way to the boot
// server that trusts the fleet's own CA alone; iPXE with autoexec.ipxe (ipxe/autoexec.ipxe), or a
// kernel whose initramfs has the CA.  Whoever holds the medium is the node: images are written with
// mode 0600.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "media/image.h"
#include "wire/plnode.h"

namespace planetbox {

struct MediumSpec {
    Plnode node;         // boot_server and host_name are required
    int64_t issued = 0;  // Unix seconds, of the node's key; the date of the files
};

// Common to all media of a call.  Made once; the images share its bytes, so it must outlive them.
struct MediaKit {
    struct Binary {
        std::string boot_name;  // "BOOTX64.EFI"
        std::string data;
    };
    std::vector<Binary> ipxe;  // re-anchored (media/ipxe_binary.h), one an architecture
    // For the medium without iPXE:
    std::vector<Binary> loader;  // systemd-boot
    std::string kernel;
    std::string initramfs;
    std::string cmdline;  // more kernel parameters, "console=ttyS0,115200"
    // Into the node's own cpio, when not empty:
    std::string ca_pem;
    std::string rescue_keys;  // authorized_keys
    std::string digest;       // of all of the above; see seal_kit
};
// Fills in `digest`: identifiers depend on the kit, too.
void seal_kit(MediaKit& kit);

struct MediumOptions {
    uint64_t size = 0;  // bytes of the disk, 0 = as small as possible
    int fat_bits = 0;   // 16 or 32, 0 = chosen by size
};

enum class MediumKind { kUsb, kIso, kBootcd };

// Checks what scripts and command lines rely on.  Every function below calls it.
Status check_medium(const MediumSpec& spec);

// GUID-partitioned disk with iPXE; UEFI ISO with iPXE; disk with kernel and initramfs.
Result<Image> make_medium(MediumKind kind, const MediaKit& kit, const MediumSpec& spec,
                          const MediumOptions& options);

// The script; `plnode_uri` is where iPXE finds plnode.txt.
enum class ScriptHome { kDisk, kTftp };
Result<std::string> make_autoexec(const MediumSpec& spec, ScriptHome home);

// A cpio archive to be used as a second initrd: /etc/planetbox/{plnode.txt,ca.pem,rescue_keys}.
Result<std::string> make_node_initrd(const MediaKit& kit, const MediumSpec& spec);

// The kernel command line that starts stage 1 of this node.
std::string make_cmdline(const MediaKit& kit, const MediumSpec& spec);

// The first eight hex digits of the key's SHA-256, by which people tell keys apart.
std::string node_key_id(std::string_view key);

// A PXE directory: relative path and content of every file.  `directory` is its absolute path, for
// dnsmasq's configuration.
struct MediumFile {
    std::string path;
    std::string data;
    bool secret = false;
};
Result<std::vector<MediumFile>> make_pxe(const MediaKit& kit, const std::vector<MediumSpec>& specs,
                                         const std::string& directory);

}  // namespace planetbox
