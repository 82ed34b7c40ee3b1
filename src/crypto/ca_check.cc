#include "crypto/ca_check.h"

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include <string>

#include "crypto/mbed.h"

namespace planetbox {

namespace {

struct Certificate {
    Certificate() { mbedtls_x509_crt_init(&raw); }
    ~Certificate() { mbedtls_x509_crt_free(&raw); }
    Certificate(const Certificate&) = delete;
    Certificate& operator=(const Certificate&) = delete;
    Status parse(std::string_view pem, std::string_view what) {
        std::string text(pem);  // Mbed TLS wants the terminating zero counted
        int result = mbedtls_x509_crt_parse(
            &raw, reinterpret_cast<const unsigned char*>(text.c_str()), text.size() + 1);
        // Above zero: that many certificates of the text were bad; one good one is not enough here.
        if (result != 0) return fail(mbed_error(Code::kInvalid, what, result));
        return {};
    }
    mbedtls_x509_crt raw;
};

struct PrivateKey {
    PrivateKey() { mbedtls_pk_init(&raw); }
    ~PrivateKey() { mbedtls_pk_free(&raw); }
    PrivateKey(const PrivateKey&) = delete;
    PrivateKey& operator=(const PrivateKey&) = delete;
    mbedtls_pk_context raw;
};

}  // namespace

Status check_key_fits(const CertAndKey& pair) {
    Certificate certificate;
    TRY(certificate.parse(pair.cert_pem, "certificate"));
    PrivateKey key;
    int result =
        mbedtls_pk_parse_key(&key.raw, reinterpret_cast<const unsigned char*>(pair.key_pem.c_str()),
                             pair.key_pem.size() + 1, nullptr, 0, mbed_random, nullptr);
    if (result != 0) return fail(mbed_error(Code::kInvalid, "private key", result));
    result = mbedtls_pk_check_pair(&certificate.raw.pk, &key.raw, mbed_random, nullptr);
    if (result != 0) return fail(Code::kInvalid, "the private key belongs to another certificate");
    return {};
}

Status check_issued_by(const CertAndKey& leaf, std::string_view ca_cert_pem) {
    TRY(check_key_fits(leaf));
    Certificate certificate, ca;
    TRY(certificate.parse(leaf.cert_pem, "certificate"));
    TRY(ca.parse(ca_cert_pem, "CA certificate"));
    uint32_t flags = 0;
    mbedtls_x509_crt_verify(&certificate.raw, &ca.raw, nullptr, nullptr, &flags, nullptr, nullptr);
    constexpr uint32_t kDates = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
    if ((flags & ~kDates) != 0) return fail(Code::kDenied, "this CA did not sign it");
    return {};
}

}  // namespace planetbox
