#include "crypto/mbed.h"

#include <mbedtls/error.h>

#include "base/strings.h"

namespace planetbox {

Error mbed_error(Code code, std::string_view what, int mbedtls_result) {
    char text[160] = "";
    mbedtls_strerror(mbedtls_result, text, sizeof text);
    return Error(code, str_cat(what, ": ", text, strf(" (-0x%04x)", -mbedtls_result)));
}

}  // namespace planetbox
