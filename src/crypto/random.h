// Randomness from the kernel's CSPRNG (getrandom(2)), buffered so that minting a token costs no
// system call each time.  The buffer is thrown away in a forked child.
#pragma once

#include <cstddef>
#include <string>

namespace planetbox {

std::string random_bytes(size_t count);
// ePoxy's session id: 20 random bytes as base64url without padding, 27 characters.
std::string random_token();
// A password people can type: `words` groups of five from an alphabet without look-alikes.
std::string random_password();

}  // namespace planetbox
