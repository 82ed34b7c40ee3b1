// ECDSA P-256 / SHA-256 signatures over what a node acts on (images, snapshots, tickets).
// mbedTLS has no Ed25519; P-256 is what it signs fastest.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace planetbox {

class SigningKey {
public:
    static Result<SigningKey> generate();
    static Result<SigningKey> from_pem(std::string_view pem);
    SigningKey(SigningKey&&) noexcept;
    SigningKey& operator=(SigningKey&&) noexcept;
    ~SigningKey();
    std::string private_pem() const;
    std::string public_pem() const;
    std::string key_id() const;  // first 16 hex digits of SHA-256 over the public key's DER
    Result<std::string> sign(std::string_view data) const;  // DER signature, raw bytes

private:
    struct State;
    explicit SigningKey(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// kDenied when the signature does not fit; kInvalid when the key or signature cannot be parsed.
Status verify_signature(std::string_view public_pem, std::string_view data,
                        std::string_view signature);

}  // namespace planetbox
