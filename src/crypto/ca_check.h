// Does a server certificate still belong to its key and to this CA?
#pragma once

#include <string_view>

#include "base/result.h"
#include "crypto/ca.h"

namespace planetbox {

// Looks at the first certificate of leaf.cert_pem.  Dates and names are not looked at (inspect_cert
// has them).  Errors: kInvalid when something cannot be parsed or the key is another certificate's;
// kDenied when the CA did not sign it.
Status check_issued_by(const CertAndKey& leaf, std::string_view ca_cert_pem);

// kInvalid when the text is no private key that fits the certificate.
Status check_key_fits(const CertAndKey& pair);

}  // namespace planetbox
