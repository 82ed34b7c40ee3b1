#include "net/tls_client.h"

#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/x509_crt.h>

#include "base/strings.h"

namespace planetbox {

namespace {

constexpr uint32_t kDates = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
constexpr uint32_t kWeak =
    MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY;

// Forward secrecy and AEAD only; Mbed TLS would offer RSA key exchange and CBC, too, because the
// server side may need them for old ROMs.
constexpr int kCiphers[] = {
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    0,
};

std::string name_text(const mbedtls_x509_name& name) {
    char buffer[256];
    int length = mbedtls_x509_dn_gets(buffer, sizeof buffer, &name);
    return length > 0 ? printable(std::string_view(buffer, static_cast<size_t>(length))) : "?";
}

WallTime time_of(const mbedtls_x509_time& time) {
    return parse_rfc3339(strf("%04d-%02d-%02dT%02d:%02d:%02dZ", time.year, time.mon, time.day,
                              time.hour, time.min, time.sec))
        .value_or(WallTime{});
}

std::string_view bytes_of(const mbedtls_x509_buf& buffer) {
    return {reinterpret_cast<const char*>(buffer.p), buffer.len};
}

std::vector<std::string> alternative_names(const mbedtls_x509_crt& cert) {
    std::vector<std::string> names;
    if (!mbedtls_x509_crt_has_ext_type(&cert, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME)) return names;
    for (const mbedtls_x509_sequence* entry = &cert.subject_alt_names; entry && names.size() < 8;
         entry = entry->next) {
        std::string_view value = bytes_of(entry->buf);
        int kind = entry->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        char text[INET6_ADDRSTRLEN];
        if (kind == MBEDTLS_X509_SAN_DNS_NAME)
            names.push_back(printable(value));
        else if (kind == MBEDTLS_X509_SAN_IP_ADDRESS && (value.size() == 4 || value.size() == 16) &&
                 inet_ntop(value.size() == 4 ? AF_INET : AF_INET6, value.data(), text, sizeof text))
            names.emplace_back(text);
    }
    return names;
}

// Called for every certificate of the chain, the root first, with what Mbed TLS found wrong with
// it.
int verify(void* pointer, mbedtls_x509_crt* cert, int depth, uint32_t* flags) {
    auto& check = *static_cast<TlsClientCheck*>(pointer);
    if (!check.check_dates) *flags &= ~kDates;
    if (*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) check.untrusted = true;
    if (*flags & MBEDTLS_X509_BADCERT_EXPIRED) check.expired = true;
    if (*flags & MBEDTLS_X509_BADCERT_FUTURE) check.not_yet_valid = true;
    if (*flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) check.wrong_name = true;
    if (*flags & kWeak) check.weak = true;
    if (*flags &
        ~(kDates | kWeak | MBEDTLS_X509_BADCERT_NOT_TRUSTED | MBEDTLS_X509_BADCERT_CN_MISMATCH))
        check.other = true;
    // The dates that are told are those of the certificate that is wrong, else the server's own.
    if (depth == 0 || (*flags & kDates)) {
        bool keep = depth == 0 && !(*flags & kDates) && (check.expired || check.not_yet_valid);
        if (!keep) {
            check.not_before = time_of(cert->valid_from);
            check.not_after = time_of(cert->valid_to);
        }
    }
    if (depth == 0) {
        check.subject = name_text(cert->subject);
        check.issuer = name_text(cert->issuer);
        check.names = alternative_names(*cert);
    }
    return 0;
}

}  // namespace

std::string TlsClientCheck::explain(std::string_view host, WallTime now) const {
    if (untrusted)
        return str_cat("the server's certificate is not from our CA: it says subject ", subject,
                       ", issuer ", issuer);
    if (wrong_name) {
        std::string list = names.empty() ? "no name at all" : join(names, ", ");
        return str_cat("the server's certificate is for ", list, ", not for ", host);
    }
    if (expired)
        return str_cat("the server's certificate expired at ", rfc3339(not_after),
                       " (this machine's clock says ", rfc3339(now), ")");
    if (not_yet_valid)
        return str_cat("the server's certificate is not valid before ", rfc3339(not_before),
                       " (this machine's clock says ", rfc3339(now), "; is it right?)");
    if (weak) return "the server's certificate uses a hash or key that is too weak";
    return "the server's certificate may not be used for this purpose";
}

Status tls_check_ca(const std::string& ca_pem) {
    mbedtls_x509_crt chain;
    mbedtls_x509_crt_init(&chain);
    int result = mbedtls_x509_crt_parse(
        &chain, reinterpret_cast<const unsigned char*>(ca_pem.c_str()), ca_pem.size() + 1);
    mbedtls_x509_crt_free(&chain);
    if (result == 0) return {};
    return fail(Code::kInvalid, "the CA certificate cannot be read: it must be PEM");
}

void tls_prepare_client(void* ssl_config, TlsClientCheck* check) {
    auto* config = static_cast<mbedtls_ssl_config*>(ssl_config);
    mbedtls_ssl_conf_verify(config, verify, check);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_cert_profile(config, &mbedtls_x509_crt_profile_default);
    mbedtls_ssl_conf_ciphersuites(config, kCiphers);
}

}  // namespace planetbox
