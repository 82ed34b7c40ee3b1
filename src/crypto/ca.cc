#include "crypto/ca.h"

#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/x509_crt.h>

#include <cstring>
#include <ctime>
#include <memory>
#include <optional>

#include "base/strings.h"
#include "crypto/hash.h"
#include "crypto/mbed.h"
#include "crypto/random.h"

namespace planetbox {

namespace {

struct Pk {
    mbedtls_pk_context context;
    Pk() { mbedtls_pk_init(&context); }
    ~Pk() { mbedtls_pk_free(&context); }
    Pk(const Pk&) = delete;
    Pk& operator=(const Pk&) = delete;
};

struct Cert {
    mbedtls_x509_crt crt;
    Cert() { mbedtls_x509_crt_init(&crt); }
    ~Cert() { mbedtls_x509_crt_free(&crt); }
    Cert(const Cert&) = delete;
    Cert& operator=(const Cert&) = delete;
};

struct CertWriter {
    mbedtls_x509write_cert crt;
    CertWriter() { mbedtls_x509write_crt_init(&crt); }
    ~CertWriter() { mbedtls_x509write_crt_free(&crt); }
    CertWriter(const CertWriter&) = delete;
    CertWriter& operator=(const CertWriter&) = delete;
};

Status check(int result, std::string_view what, Code code = Code::kIo) {
    if (result < 0) return fail(mbed_error(code, what, result));
    return {};
}

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

Status generate_rsa(Pk& key, unsigned bits) {
    TRY(check(mbedtls_pk_setup(&key.context, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)),
              "make an RSA key"));
    return check(
        mbedtls_rsa_gen_key(mbedtls_pk_rsa(key.context), mbed_random, nullptr, bits, 65537),
        "make an RSA key");
}

Status generate_p256(Pk& key) {
    TRY(check(mbedtls_pk_setup(&key.context, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)),
              "make an ECDSA key"));
    return check(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key.context),
                                     mbed_random, nullptr),
                 "make an ECDSA key");
}

Result<std::string> key_to_pem(Pk& key) {
    std::string text(8192, '\0');
    Status written =
        check(mbedtls_pk_write_key_pem(&key.context, reinterpret_cast<unsigned char*>(text.data()),
                                       text.size()),
              "write a key");
    std::string out(text.c_str());
    explicit_bzero(text.data(), text.size());
    if (!written) return std::unexpected(std::move(written.error()));
    return out;
}

// Mbed TLS takes PEM only with its terminating NUL counted.
Status parse_key(Pk& key, std::string_view pem, std::string_view what) {
    std::string text(pem);
    int result = mbedtls_pk_parse_key(&key.context, raw(text), text.size() + 1, nullptr, 0,
                                      mbed_random, nullptr);
    explicit_bzero(text.data(), text.size());
    return check(result, what, Code::kInvalid);
}

Status parse_cert(Cert& cert, std::string_view pem_or_der, std::string_view what) {
    std::string text(pem_or_der);
    bool pem = text.find("-----BEGIN CERTIFICATE-----") != std::string::npos;
    int result = mbedtls_x509_crt_parse(&cert.crt, raw(text), text.size() + (pem ? 1 : 0));
    if (result > 0)
        return fail(Code::kInvalid,
                    str_cat(what, strf(": %d of its certificates are broken", result)));
    return check(result, what, Code::kInvalid);
}

// "YYYYMMDDhhmmss", as mbedtls_x509write_crt_set_validity takes it.
std::string asn1_time(WallTime time) {
    time_t seconds = unix_seconds(time);
    tm t{};
    gmtime_r(&seconds, &t);
    return strf("%04d%02d%02d%02d%02d%02d", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                t.tm_min, t.tm_sec);
}

// What both kinds of certificate share.  The serial number is random: 127 bits, positive.
Status set_common(CertWriter& writer, WallTime from, WallTime to) {
    mbedtls_x509write_crt_set_version(&writer.crt, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&writer.crt, MBEDTLS_MD_SHA256);
    std::string serial = random_bytes(16);
    serial[0] = static_cast<char>((serial[0] & 0x3f) | 0x40);
    TRY(check(mbedtls_x509write_crt_set_serial_raw(
                  &writer.crt, reinterpret_cast<unsigned char*>(serial.data()), serial.size()),
              "serial number"));
    return check(mbedtls_x509write_crt_set_validity(&writer.crt, asn1_time(from).c_str(),
                                                    asn1_time(to).c_str()),
                 "validity", Code::kInvalid);
}

Result<std::string> finish_pem(CertWriter& writer) {
    std::string text(16 * 1024, '\0');
    TRY(check(mbedtls_x509write_crt_pem(&writer.crt, reinterpret_cast<unsigned char*>(text.data()),
                                        text.size(), mbed_random, nullptr),
              "write a certificate"));
    return std::string(text.c_str());
}

// A value of a distinguished name in the comma-separated form.
std::string dn_escape(std::string_view value) {
    std::string out;
    for (char c : value) {
        if (strchr(",+\"\\<>;=#", c)) out.push_back('\\');
        out.push_back(c);
    }
    return out;
}

Status check_days(int days) {
    if (days >= 1 && days <= 36'500) return {};
    return fail(Code::kInvalid, strf("certificate: %d days of validity; give 1 to 36500", days));
}

WallTime early_start() { return from_unix_seconds(946'684'800); }  // 2000-01-01, see ca.h

bool is_dns_name(std::string_view name) {
    return !name.empty() && name.size() <= 253 && name.front() != '.' && name.front() != '-' &&
           name.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
               "-._*") == std::string_view::npos &&
           name.find("..") == std::string_view::npos;
}

// The 4 or 16 bytes of an address literal; nullopt for anything else.
std::optional<std::string> address_bytes(const std::string& name) {
    std::string bytes(16, '\0');
    if (inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1) return bytes;
    bytes.resize(4);
    if (inet_pton(AF_INET, name.c_str(), bytes.data()) == 1) return bytes;
    return std::nullopt;
}

// subjectAltName as Mbed TLS's linked list.  The bytes it points to live in `names` and
// `addresses`.
class AltNames {
public:
    Status add(const std::string& name) {
        auto address = address_bytes(name);
        if (!address && !is_dns_name(name))
            return fail(Code::kInvalid, str_cat("certificate name \"", printable(name, 80),
                                                "\": is no DNS name and no IP address"));
        auto node = std::make_unique<Node>();
        node->list = {};
        auto& value = node->list.node.san.unstructured_name;
        if (address) {
            node->bytes = *address;
            node->list.node.type = MBEDTLS_X509_SAN_IP_ADDRESS;
        } else {
            node->bytes = lower_ascii(name);
            node->list.node.type = MBEDTLS_X509_SAN_DNS_NAME;
        }
        value.p = reinterpret_cast<unsigned char*>(node->bytes.data());
        value.len = node->bytes.size();
        // Mbed TLS writes from the end to the beginning: the last name must head the list.
        if (!nodes_.empty()) node->list.next = &nodes_.back()->list;
        nodes_.push_back(std::move(node));
        return {};
    }
    const mbedtls_x509_san_list* head() const { return &nodes_.back()->list; }

private:
    struct Node {
        mbedtls_x509_san_list list;
        std::string bytes;
    };
    std::vector<std::unique_ptr<Node>> nodes_;
};

Status set_server_extensions(CertWriter& writer, const ServerCertRequest& request) {
    AltNames names;
    for (const std::string& name : request.names) TRY(names.add(name));
    auto* crt = &writer.crt;
    TRY(check(mbedtls_x509write_crt_set_subject_alternative_name(crt, names.head()),
              "certificate names"));
    TRY(check(mbedtls_x509write_crt_set_basic_constraints(crt, 0, -1), "basicConstraints"));
    unsigned usage = MBEDTLS_X509_KU_DIGITAL_SIGNATURE;
    if (request.kind == KeyKind::kRsa2048) usage |= MBEDTLS_X509_KU_KEY_ENCIPHERMENT;
    TRY(check(mbedtls_x509write_crt_set_key_usage(crt, usage), "keyUsage"));
    mbedtls_asn1_sequence server_auth{};
    server_auth.buf.tag = MBEDTLS_ASN1_OID;
    server_auth.buf.p =
        reinterpret_cast<unsigned char*>(const_cast<char*>(MBEDTLS_OID_SERVER_AUTH));
    server_auth.buf.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH);
    TRY(check(mbedtls_x509write_crt_set_ext_key_usage(crt, &server_auth), "extendedKeyUsage"));
    TRY(check(mbedtls_x509write_crt_set_subject_key_identifier(crt), "subjectKeyIdentifier"));
    return check(mbedtls_x509write_crt_set_authority_key_identifier(crt), "authorityKeyIdentifier");
}

std::string dn_text(const mbedtls_x509_name& name) {
    char text[1024];
    return mbedtls_x509_dn_gets(text, sizeof text, &name) < 0 ? "?" : text;
}

WallTime to_wall(const mbedtls_x509_time& t) {
    tm parts{};
    parts.tm_year = t.year - 1900;
    parts.tm_mon = t.mon - 1;
    parts.tm_mday = t.day;
    parts.tm_hour = t.hour;
    parts.tm_min = t.min;
    parts.tm_sec = t.sec;
    // A time of the far future (year 9999 means "never") must not overflow nanoseconds.
    return from_unix_seconds(std::min<int64_t>(timegm(&parts), 9'000'000'000));
}

std::string alt_name_text(const mbedtls_x509_buf& name) {
    std::string bytes(reinterpret_cast<const char*>(name.p), name.len);
    if ((name.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) != MBEDTLS_X509_SAN_IP_ADDRESS)
        return printable(bytes);
    char text[INET6_ADDRSTRLEN];
    int family = name.len == 4 ? AF_INET : AF_INET6;
    if (name.len != 4 && name.len != 16) return "?";
    return inet_ntop(family, name.p, text, sizeof text) ? text : "?";
}

}  // namespace

Result<CertAndKey> create_ca(const CaRequest& request, WallTime now) {
    TRY(check_days(request.days));
    if (request.rsa_bits < 2048 || request.rsa_bits > 4096)
        return fail(Code::kInvalid, strf("CA: %d bits; give 2048 to 4096", request.rsa_bits));
    Pk key;
    TRY(generate_rsa(key, static_cast<unsigned>(request.rsa_bits)));
    std::string name = request.common_name;
    if (name.empty()) name = str_cat("planetbox root CA ", hex(as_bytes(random_bytes(4))));
    if (name.size() > 64)
        return fail(Code::kInvalid, "CA: the common name is longer than 64 bytes");
    std::string subject = str_cat("CN=", dn_escape(name), ",O=planetbox");
    CertWriter writer;
    mbedtls_x509write_crt_set_subject_key(&writer.crt, &key.context);
    mbedtls_x509write_crt_set_issuer_key(&writer.crt, &key.context);
    TRY(check(mbedtls_x509write_crt_set_subject_name(&writer.crt, subject.c_str()), "CA name"));
    TRY(check(mbedtls_x509write_crt_set_issuer_name(&writer.crt, subject.c_str()), "CA name"));
    TRY(set_common(writer, early_start(), now + std::chrono::hours(24) * request.days));
    // One intermediate is allowed for, as ePoxy's CA does.
    TRY(check(mbedtls_x509write_crt_set_basic_constraints(&writer.crt, 1, 1), "basicConstraints"));
    TRY(check(mbedtls_x509write_crt_set_key_usage(
                  &writer.crt, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN),
              "keyUsage"));
    TRY(check(mbedtls_x509write_crt_set_subject_key_identifier(&writer.crt), "key identifier"));
    TRY(check(mbedtls_x509write_crt_set_authority_key_identifier(&writer.crt), "key identifier"));
    std::string cert = TRY(finish_pem(writer));
    return CertAndKey{std::move(cert), TRY(key_to_pem(key))};
}

Result<CertAndKey> issue_server_cert(const CertAndKey& ca, const ServerCertRequest& request,
                                     WallTime now) {
    TRY(check_days(request.days));
    if (request.names.empty())
        return fail(Code::kInvalid, "certificate: no name; give a DNS name or an IP address");
    if (request.names.size() > 100) return fail(Code::kTooLarge, "certificate: above 100 names");
    Cert issuer;
    Pk issuer_key, key;
    TRY(parse_cert(issuer, ca.cert_pem, "CA certificate"));
    TRY(parse_key(issuer_key, ca.key_pem, "CA key"));
    TRY(check(mbedtls_pk_check_pair(&issuer.crt.pk, &issuer_key.context, mbed_random, nullptr),
              "the CA's key is not that of its certificate", Code::kInvalid));
    bool rsa = request.kind == KeyKind::kRsa2048;
    TRY(rsa ? generate_rsa(key, 2048) : generate_p256(key));

    CertWriter writer;
    mbedtls_x509write_crt_set_subject_key(&writer.crt, &key.context);
    mbedtls_x509write_crt_set_issuer_key(&writer.crt, &issuer_key.context);
    // A common name has room for 64 bytes; the names that count are in subjectAltName anyway.
    const std::string& first = request.names.front();
    std::string subject = str_cat("CN=", first.size() <= 64 ? dn_escape(first) : "planetbox");
    TRY(check(mbedtls_x509write_crt_set_subject_name(&writer.crt, subject.c_str()),
              "certificate name", Code::kInvalid));
    TRY(check(
        mbedtls_x509write_crt_set_issuer_name(&writer.crt, dn_text(issuer.crt.subject).c_str()),
        "CA name"));
    // A certificate must not outlive the one that vouches for it.
    WallTime end = now + std::chrono::hours(24) * request.days;
    WallTime ca_end = to_wall(issuer.crt.valid_to);
    if (ca_end <= now) return fail(Code::kExpired, "the CA's certificate has expired");
    TRY(set_common(writer, rsa ? early_start() : now - std::chrono::hours(48),
                   std::min(end, ca_end)));
    TRY(set_server_extensions(writer, request));
    std::string cert = TRY(finish_pem(writer));
    return CertAndKey{std::move(cert), TRY(key_to_pem(key))};
}

Result<CertInfo> inspect_cert(std::string_view pem_or_der) {
    Cert cert;
    TRY(parse_cert(cert, pem_or_der, "certificate"));
    const mbedtls_x509_crt& crt = cert.crt;
    CertInfo info;
    info.subject = dn_text(crt.subject);
    info.issuer = dn_text(crt.issuer);
    for (const mbedtls_x509_sequence* name = &crt.subject_alt_names; name && name->buf.p;
         name = name->next)
        info.names.push_back(alt_name_text(name->buf));
    info.not_before = to_wall(crt.valid_from);
    info.not_after = to_wall(crt.valid_to);
    info.sha256_hex = sha256_hex(as_text({crt.raw.p, crt.raw.len}));
    info.is_ca = mbedtls_x509_crt_get_ca_istrue(&crt) == 1;
    return info;
}

Result<std::string> pem_to_der(std::string_view cert_pem) {
    Cert cert;
    TRY(parse_cert(cert, cert_pem, "certificate"));
    return std::string(as_text({cert.crt.raw.p, cert.crt.raw.len}));
}

}  // namespace planetbox
