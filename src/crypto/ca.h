// The fleet's certificate authority (DESIGN §7): one RSA root, and server certificates of two
// kinds.
//
// Why RSA at the root: stock iPXE offers no ECDSA signature at all, so its whole chain must be RSA.
// RSA certificates are valid from 2000-01-01: iPXE checks dates against an RTC that may have lost
// its battery, and an early start extends nobody's trust.  ECDSA ones start 48 h before their
// issue.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace planetbox {

struct CertAndKey {
    std::string cert_pem;
    std::string key_pem;
};

enum class KeyKind { kRsa2048, kEcdsaP256 };

struct CaRequest {
    std::string common_name;  // "planetbox root CA <random>" when empty
    int days = 20 * 365;
    int rsa_bits = 3072;
};
// Takes 0.1-3 s (RSA key generation).
Result<CertAndKey> create_ca(const CaRequest& request, WallTime now);

struct ServerCertRequest {
    KeyKind kind = KeyKind::kEcdsaP256;
    std::vector<std::string> names;  // DNS names and IP literals (v4, v6); the first is the CN
    int days = 397;
};
// Signs with the CA; subjectAltName holds every name (dNSName or iPAddress), EKU serverAuth.
Result<CertAndKey> issue_server_cert(const CertAndKey& ca, const ServerCertRequest& request,
                                     WallTime now);

struct CertInfo {
    std::string subject;
    std::string issuer;
    std::vector<std::string> names;  // subjectAltName
    WallTime not_before;
    WallTime not_after;
    std::string sha256_hex;  // of the DER form: what iPXE's trust anchor holds
    bool is_ca = false;
};
Result<CertInfo> inspect_cert(std::string_view pem_or_der);
Result<std::string> pem_to_der(std::string_view cert_pem);  // first certificate of the text

}  // namespace planetbox
