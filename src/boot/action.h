// The actions of an image: what iPXE and bootclient do in each stage.  An image directory may hold
// its own; what it lacks is made here from the image's files, so that every file carries its
// SHA-256.
//
//     stage1to2.ipxe   iPXE: kernel and initramfs, many tries (template ipxe/stage1to2.ipxe)
//     stage1to2.json   the same for a Linux stage 1, by kexec
//     stage2to3.json   kexec into the "stage3" image of the version if there is one, else into the
//     same stage3post.json  what the running system does before it reports for duty rescue.ipxe,
//     rescue.json   as stage1to2, into the rescue system
//
// Pure functions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace planetbox {

inline constexpr std::string_view kKernelFile = "vmlinuz";
inline constexpr std::string_view kInitramfsFile = "initramfs";

struct ActionFile {
    std::string url;
    std::string sha256;  // hex
};

struct ActionInput {
    std::string version;  // concrete, never "latest"
    std::string image;
    std::string cmdline;  // of the image
    ActionFile kernel, initramfs;
    std::vector<std::string> extensions;  // operations whose URLs are handed on, sorted
};

bool is_generated_action(std::string_view name);
// kNotFound for a name that is none of the above.
Result<std::string> generate_action(std::string_view name, const ActionInput& input);

// Puts "sha256" into every file of the action that has none and whose URL `lookup` knows.  Text
// that is no action, or needs nothing, comes back as it is.
using HashLookup = std::function<std::optional<std::string>(std::string_view url)>;
std::string fill_action_hashes(std::string_view action, const HashLookup& lookup);

// Kernel command line of an image: words of printable ASCII that iPXE, JSON and templates leave
// alone.
Status check_cmdline(std::string_view text);

}  // namespace planetbox
