#include "crypto/sign.h"

#include <mbedtls/ecdsa.h>
#include <mbedtls/pk.h>

#include <cstring>

#include "base/strings.h"
#include "crypto/hash.h"
#include "crypto/mbed.h"

namespace planetbox {

static const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

namespace {

struct PkContext {
    mbedtls_pk_context pk;
    PkContext() { mbedtls_pk_init(&pk); }
    ~PkContext() { mbedtls_pk_free(&pk); }
    PkContext(const PkContext&) = delete;
    PkContext& operator=(const PkContext&) = delete;
};

bool is_p256(const mbedtls_pk_context& pk) {
    return mbedtls_pk_get_type(&pk) == MBEDTLS_PK_ECKEY && mbedtls_pk_get_bitlen(&pk) == 256 &&
           mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(pk)) == MBEDTLS_ECP_DP_SECP256R1;
}

}  // namespace

struct SigningKey::State : PkContext {};

SigningKey::SigningKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::generate() {
    auto state = std::make_unique<State>();
    int result = mbedtls_pk_setup(&state->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (result == 0)
        result = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(state->pk),
                                     mbed_random, nullptr);
    if (result != 0) return fail(mbed_error(Code::kIo, "make a signing key", result));
    return SigningKey(std::move(state));
}

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
    auto state = std::make_unique<State>();
    std::string text(pem);  // Mbed TLS wants the terminating NUL counted
    int result = mbedtls_pk_parse_key(&state->pk, raw(text), text.size() + 1, nullptr, 0,
                                      mbed_random, nullptr);
    explicit_bzero(text.data(), text.size());
    if (result != 0) return fail(mbed_error(Code::kInvalid, "signing key", result));
    if (!is_p256(state->pk)) return fail(Code::kInvalid, "signing key: is not an ECDSA P-256 key");
    return SigningKey(std::move(state));
}

std::string SigningKey::private_pem() const {
    unsigned char out[1024];
    CHECK(mbedtls_pk_write_key_pem(&state_->pk, out, sizeof out) == 0);
    std::string text(reinterpret_cast<char*>(out));
    explicit_bzero(out, sizeof out);
    return text;
}

std::string SigningKey::public_pem() const {
    unsigned char out[1024];
    CHECK(mbedtls_pk_write_pubkey_pem(&state_->pk, out, sizeof out) == 0);
    return reinterpret_cast<char*>(out);
}

std::string SigningKey::key_id() const {
    unsigned char out[512];
    int size = mbedtls_pk_write_pubkey_der(&state_->pk, out, sizeof out);  // at the buffer's end
    CHECK(size > 0);
    auto count = static_cast<size_t>(size);
    return sha256_hex(as_text({out + sizeof out - count, count})).substr(0, 16);
}

Result<std::string> SigningKey::sign(std::string_view data) const {
    std::string digest = sha256(data);
    std::string out(MBEDTLS_PK_SIGNATURE_MAX_SIZE, '\0');
    size_t size = 0;
    int result = mbedtls_pk_sign(&state_->pk, MBEDTLS_MD_SHA256, raw(digest), digest.size(),
                                 reinterpret_cast<unsigned char*>(out.data()), out.size(), &size,
                                 mbed_random, nullptr);
    if (result != 0) return fail(mbed_error(Code::kIo, "sign", result));
    out.resize(size);
    return out;
}

Status verify_signature(std::string_view public_pem, std::string_view data,
                        std::string_view signature) {
    PkContext key;
    std::string text(public_pem);
    int result = mbedtls_pk_parse_public_key(&key.pk, raw(text), text.size() + 1);
    if (result != 0) return fail(mbed_error(Code::kInvalid, "public key", result));
    if (!is_p256(key.pk)) return fail(Code::kInvalid, "public key: is not an ECDSA P-256 key");
    std::string digest = sha256(data);
    result = mbedtls_pk_verify(&key.pk, MBEDTLS_MD_SHA256, raw(digest), digest.size(),
                               raw(signature), signature.size());
    if (result == 0) return {};
    if (result == MBEDTLS_ERR_ECP_VERIFY_FAILED || result == MBEDTLS_ERR_PK_SIG_LEN_MISMATCH)
        return fail(Code::kDenied, "the signature does not fit");
    return fail(mbed_error(Code::kInvalid, "signature", result));
}

}  // namespace planetbox
