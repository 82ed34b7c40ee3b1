// A stock iPXE for UEFI, made to trust one CA: ours.
//
// An iPXE binary holds the SHA-256 of the root certificate that it trusts, as 32 plain bytes (its
// src/crypto/rootcert.c).  Ours takes their place, so nobody has to compile iPXE.  Refused, with a
// sentence, is what cannot be changed safely: a binary without those bytes or with several of them,
// a binary that is signed for Secure Boot (its signature would no longer hold), a file that is no
// EFI application.  A build that already trusts our CA (iPXE's own TRUST=) is taken as it is,
// signed or not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace planetbox {

inline constexpr size_t kEfiLimit = 32 << 20;

// Where UEFI looks for an application on a removable medium: "BOOTX64.EFI", "BOOTAA64.EFI", …
Result<std::string> efi_boot_name(std::string_view efi);

// `root_sha256` is the raw SHA-256 of the root certificate's DER form.  `name` is for messages.
Result<std::string> reanchor_ipxe(std::string_view efi, std::string_view root_sha256,
                                  const std::string& name);

// True when the binary trusts exactly this root / still trusts iPXE's own.
bool ipxe_trusts(std::string_view efi, std::string_view root_sha256);
bool ipxe_is_stock(std::string_view efi);

}  // namespace planetbox
