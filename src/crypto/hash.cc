#include "crypto/hash.h"

#include <fcntl.h>
#include <mbedtls/md.h>
#include <mbedtls/pkcs5.h>
#include <mbedtls/sha256.h>
#include <unistd.h>

#include "base/strings.h"
#include "crypto/random.h"
#include "sys/files.h"

namespace planetbox {

static const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
static unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

struct Sha256::State {
    mbedtls_sha256_context context;
};

Sha256::Sha256() : state_(new State) {
    mbedtls_sha256_init(&state_->context);
    reset();
}
Sha256::~Sha256() { mbedtls_sha256_free(&state_->context); }

void Sha256::reset() { CHECK(mbedtls_sha256_starts(&state_->context, 0) == 0); }

void Sha256::update(std::string_view data) {
    CHECK(mbedtls_sha256_update(&state_->context, raw(data), data.size()) == 0);
}

std::string Sha256::finish() {
    std::string out(kSha256Size, '\0');
    CHECK(mbedtls_sha256_finish(&state_->context, raw(out)) == 0);
    return out;
}

std::string Sha256::finish_hex() { return hex(as_bytes(finish())); }

std::string sha256(std::string_view data) {
    std::string out(kSha256Size, '\0');
    CHECK(mbedtls_sha256(raw(data), data.size(), raw(out), 0) == 0);
    return out;
}

std::string sha256_hex(std::string_view data) { return hex(as_bytes(sha256(data))); }

Result<std::string> sha256_file_hex(const std::string& path) {
    UniqueFd fd = TRY(open_file(path, O_RDONLY));
    Sha256 hash;
    std::string block(128 * 1024, '\0');
    while (true) {
        ssize_t got = ::read(fd.get(), block.data(), block.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(path);
        if (got == 0) return hash.finish_hex();
        hash.update({block.data(), static_cast<size_t>(got)});
    }
}

bool is_sha256_hex(std::string_view text) {
    return text.size() == 2 * kSha256Size &&
           text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
    std::string out(kSha256Size, '\0');
    const mbedtls_md_info_t* md = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    CHECK(mbedtls_md_hmac(md, raw(key), key.size(), raw(data), data.size(), raw(out)) == 0);
    return out;
}

// --- passwords ----------------------------------------------------------------------------------

static constexpr std::string_view kScheme = "pbkdf2-sha256";
static constexpr unsigned kIterations = 100'000;
// A stored hash is ours, but may have come through an import: it must not be able to stall a
// daemon.
static constexpr uint64_t kMaxIterations = 2'000'000;

static std::string stretch(std::string_view password, std::string_view salt, unsigned iterations) {
    std::string out(kSha256Size, '\0');
    CHECK(mbedtls_pkcs5_pbkdf2_hmac_ext(MBEDTLS_MD_SHA256, raw(password), password.size(),
                                        raw(salt), salt.size(), iterations, kSha256Size,
                                        raw(out)) == 0);
    return out;
}

std::string hash_password(std::string_view password) {
    std::string salt = random_bytes(16);
    return str_cat(kScheme, strf("$%u$", kIterations), base64url(as_bytes(salt)), "$",
                   base64url(as_bytes(stretch(password, salt, kIterations))));
}

bool verify_password(std::string_view password, std::string_view stored) {
    auto parts = split(stored, '$');
    if (parts.size() != 4 || parts[0] != kScheme) return false;
    auto iterations = parse_uint(parts[1]);
    auto salt = unbase64url(parts[2]), wanted = unbase64url(parts[3]);
    if (!iterations || *iterations < 1 || *iterations > kMaxIterations) return false;
    if (!salt || salt->size() < 8 || !wanted || wanted->size() != kSha256Size) return false;
    return equal_constant_time(stretch(password, *salt, static_cast<unsigned>(*iterations)),
                               *wanted);
}

}  // namespace planetbox
