// Bytes and their text forms.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace planetbox {

using ByteView = std::span<const uint8_t>;

inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string hex(ByteView bytes);                          // lower case
std::optional<std::string> unhex(std::string_view text);  // either case, even length

// RFC 4648: base64 with padding; base64url without.  Decoding is strict (no spaces, right padding,
// zero trailing bits) and returns nullopt otherwise.
std::string base64(ByteView bytes);
std::optional<std::string> unbase64(std::string_view text);
std::string base64url(ByteView bytes);
std::optional<std::string> unbase64url(std::string_view text);

// Compares without an early exit: the time depends on the lengths only.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace planetbox
