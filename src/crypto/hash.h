// SHA-256, HMAC-SHA-256, PBKDF2 over mbedTLS.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace planetbox {

inline constexpr size_t kSha256Size = 32;

// Incremental SHA-256.
class Sha256 {
public:
    Sha256();
    ~Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;
    void update(std::string_view data);
    std::string finish();      // 32 raw bytes; the object may then only be destroyed or reset
    std::string finish_hex();  // 64 lower-case hex digits
    void reset();

private:
    struct State;
    std::unique_ptr<State> state_;
};

std::string sha256(std::string_view data);      // 32 raw bytes
std::string sha256_hex(std::string_view data);  // 64 hex digits
// Reads the file in blocks; blocks on the disk.
Result<std::string> sha256_file_hex(const std::string& path);
bool is_sha256_hex(std::string_view text);  // 64 hex digits, either case

std::string hmac_sha256(std::string_view key, std::string_view data);  // 32 raw bytes

// A password hash that can be stored: "pbkdf2-sha256$ITERATIONS$SALT$HASH" (base64url parts), made
// with a fresh salt.  verify is constant in time for a given iteration count, and false for text
// that is no such hash.  Takes ~50-100 ms on purpose.
std::string hash_password(std::string_view password);
bool verify_password(std::string_view password, std::string_view stored);

}  // namespace planetbox
