// What the HTTP client adds to the TLS that libcurl sets up: our verdict on the peer's certificate,
// in words; stricter choices than libcurl's; and the one exception for a machine whose clock is
// dead.
//
// The chain, the name and the dates are checked by mbedTLS against the CA that libcurl was given;
// nothing here makes a certificate acceptable that was not, but `check_dates` = false, which
// forgives dates only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace planetbox {

// One connection's check.  Must outlive its handshake.
struct TlsClientCheck {
    bool check_dates = true;

    // What was found wrong, by mbedTLS's flags of all certificates of the chain.
    bool untrusted = false;
    bool expired = false;
    bool not_yet_valid = false;
    bool wrong_name = false;
    bool weak = false;  // a hash or key that is not accepted any more
    bool other = false;
    std::string subject, issuer;     // of the server's own certificate
    std::vector<std::string> names;  // its subjectAltName
    WallTime not_before{}, not_after{};

    bool failed() const {
        return untrusted || expired || not_yet_valid || wrong_name || weak || other;
    }
    // One sentence, the gravest reason first: "the server's certificate is not from our CA: …".
    std::string explain(std::string_view host, WallTime now) const;
};

// kInvalid unless every certificate of the text can be read and there is one.  (libcurl would say
// so, too, but leaks a little each time.)
Status tls_check_ca(const std::string& ca_pem);

// For CURLOPT_SSL_CTX_FUNCTION: `ssl_config` is the mbedtls_ssl_config that libcurl is about to
// use.
void tls_prepare_client(void* ssl_config, TlsClientCheck* check);

}  // namespace planetbox
