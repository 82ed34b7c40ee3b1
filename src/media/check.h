// Says in words what is on a boot medium, and whether it would boot: `media check`.
//
// Reads everything back from the bytes, nothing from how they were made: partition tables with
// their checksums, every directory and cluster chain, plnode.txt, whom iPXE trusts.  Never blocks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace planetbox {

struct MediumReport {
    std::string kind;  // "usb", "iso", "bootcd"
    std::string host;
    std::string server;
    std::string key_id;                 // empty: no key
    std::string network;                // "dhcp", "static 192.0.2.5/24,192.0.2.1"
    std::vector<std::string> facts;     // sentences
    std::vector<std::string> problems;  // sentences; empty: it is sound
};

// `root_sha256` is the raw fingerprint of the CA that the medium should trust, if known.  An error
// means that the image cannot be read at all; what is readable but wrong goes into `problems`.
Result<MediumReport> check_medium_image(std::string_view disk,
                                        const std::optional<std::string>& root_sha256);

}  // namespace planetbox
