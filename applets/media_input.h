// Where `media` takes nodes, binaries and certificates from.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "media/medium.h"

namespace planetbox {

struct MediaArguments {
    std::vector<std::string> hosts;
    bool all = false;
    std::string nodes_file;
    std::vector<std::string> plnode_files;
    std::string output = ".";
    std::string state;
    std::string server;
    std::string ca;
    std::vector<std::string> ipxe;
    std::vector<std::string> loader;
    std::string kernel, initramfs, rescue_keys, serial, cmdline;
    std::string size;
    int fat_bits = 0;
    bool new_key = false;
    std::chrono::milliseconds grace = std::chrono::hours(7 * 24);
    bool json = false;
    std::vector<std::string> files;  // of `check`
};

// The nodes of --plnode, --nodes, --all and the command line, in that order; every host once.
Result<std::vector<MediumSpec>> gather_nodes(const MediaArguments& arguments);

// The binaries that all media share.
Result<MediaKit> gather_ipxe_kit(const MediaArguments& arguments);
Result<MediaKit> gather_bootcd_kit(const MediaArguments& arguments);

// The raw SHA-256 of the fleet's root certificate; `pem` (may be null) receives its text.
Result<std::string> root_fingerprint(const MediaArguments& arguments, std::string* pem);

// "64M", "2GiB", "4194304".
Result<uint64_t> parse_size(std::string_view text);

}  // namespace planetbox
