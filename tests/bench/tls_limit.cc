// What mbedTLS's own primitives can do on this machine, one core: the ceiling of any server over
// it. Prints one JSON object:
//   rsa_sign_per_second, ecdsa_sign_per_second     the signature of a handshake
//   ecdhe_x25519_per_second, ecdhe_p256_per_second  key pair + shared secret, the server's half
//   *_handshakes_per_second                        signature + key exchange together
//   aes256_gcm_bytes_per_second, aes128_…          16 KiB records
#include <mbedtls/ecdh.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/gcm.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <sys/random.h>

#include <cstdio>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

using namespace planetbox;

namespace {

int fill_random(void*, unsigned char* out, size_t size) {
    return getrandom(out, size, 0) == static_cast<ssize_t>(size) ? 0 : -1;
}

// Runs `work` for about a second of CPU and returns how often a second.
double rate(const std::function<void()>& work) {
    RealClock clock;
    for (int i = 0; i < 3; ++i) work();
    MonoTime begun = clock.mono();
    double elapsed = 0;
    int64_t count = 0;
    while (elapsed < 0.7) {
        for (int i = 0; i < 8; ++i) work();
        count += 8;
        elapsed = std::chrono::duration<double>(clock.mono() - begun).count();
    }
    return static_cast<double>(count) / elapsed;
}

double rsa_sign_rate() {
    mbedtls_pk_context key;
    mbedtls_pk_init(&key);
    CHECK(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)) == 0);
    CHECK(mbedtls_rsa_gen_key(mbedtls_pk_rsa(key), fill_random, nullptr, 2048, 65537) == 0);
    unsigned char hash[32] = {1}, signature[512];
    size_t length = 0;
    double result = rate([&] {
        CHECK(mbedtls_pk_sign(&key, MBEDTLS_MD_SHA256, hash, sizeof hash, signature,
                              sizeof signature, &length, fill_random, nullptr) == 0);
    });
    mbedtls_pk_free(&key);
    return result;
}

double ecdsa_sign_rate() {
    mbedtls_pk_context key;
    mbedtls_pk_init(&key);
    CHECK(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) == 0);
    CHECK(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), fill_random, nullptr) ==
          0);
    unsigned char hash[32] = {1}, signature[512];
    size_t length = 0;
    double result = rate([&] {
        CHECK(mbedtls_pk_sign(&key, MBEDTLS_MD_SHA256, hash, sizeof hash, signature,
                              sizeof signature, &length, fill_random, nullptr) == 0);
    });
    mbedtls_pk_free(&key);
    return result;
}

double ecdhe_rate(mbedtls_ecp_group_id id) {
    mbedtls_ecp_group group;
    mbedtls_ecp_group_init(&group);
    CHECK(mbedtls_ecp_group_load(&group, id) == 0);
    mbedtls_mpi ours, theirs, shared;
    mbedtls_ecp_point our_point, their_point;
    for (mbedtls_mpi* mpi : {&ours, &theirs, &shared}) mbedtls_mpi_init(mpi);
    mbedtls_ecp_point_init(&our_point);
    mbedtls_ecp_point_init(&their_point);
    CHECK(mbedtls_ecdh_gen_public(&group, &theirs, &their_point, fill_random, nullptr) == 0);
    double result = rate([&] {
        CHECK(mbedtls_ecdh_gen_public(&group, &ours, &our_point, fill_random, nullptr) == 0);
        CHECK(mbedtls_ecdh_compute_shared(&group, &shared, &their_point, &ours, fill_random,
                                          nullptr) == 0);
    });
    for (mbedtls_mpi* mpi : {&ours, &theirs, &shared}) mbedtls_mpi_free(mpi);
    mbedtls_ecp_point_free(&our_point);
    mbedtls_ecp_point_free(&their_point);
    mbedtls_ecp_group_free(&group);
    return result;
}

double gcm_bytes_rate(unsigned bits) {
    constexpr size_t kRecord = 16384;
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    unsigned char key[32] = {7}, nonce[12] = {}, tag[16];
    std::vector<unsigned char> in(kRecord), out(kRecord);
    CHECK(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, bits) == 0);
    double result = rate([&] {
        CHECK(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, kRecord, nonce, sizeof nonce,
                                        nullptr, 0, in.data(), out.data(), sizeof tag, tag) == 0);
    });
    mbedtls_gcm_free(&gcm);
    return result * kRecord;
}

double both(double a, double b) { return 1 / (1 / a + 1 / b); }

}  // namespace

int main() {
    double rsa = rsa_sign_rate(), ecdsa = ecdsa_sign_rate();
    double x25519 = ecdhe_rate(MBEDTLS_ECP_DP_CURVE25519);
    double p256 = ecdhe_rate(MBEDTLS_ECP_DP_SECP256R1);
    json::Writer out(2);
    out.begin_object();
    out.field("rsa_sign_per_second", rsa).field("ecdsa_sign_per_second", ecdsa);
    out.field("ecdhe_x25519_per_second", x25519).field("ecdhe_p256_per_second", p256);
    out.field("rsa_x25519_handshakes_per_second", both(rsa, x25519));
    out.field("rsa_p256_handshakes_per_second", both(rsa, p256));
    out.field("ecdsa_x25519_handshakes_per_second", both(ecdsa, x25519));
    out.field("ecdsa_p256_handshakes_per_second", both(ecdsa, p256));
    out.field("aes128_gcm_bytes_per_second", gcm_bytes_rate(128));
    out.field("aes256_gcm_bytes_per_second", gcm_bytes_rate(256));
    out.end_object();
    std::printf("%s\n", out.text().c_str());
}
