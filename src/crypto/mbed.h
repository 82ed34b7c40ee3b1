// What the users of Mbed TLS share: its random source and its error numbers as Errors.  Internal to
// crypto/ and net/tls*.cc; includes nothing of Mbed TLS itself.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/error.h"

namespace planetbox {

// The f_rng that every Mbed TLS call gets: bytes from the kernel's generator (random.h).  Never
// fails; `unused` is the p_rng argument.
int mbed_random(void* unused, unsigned char* into, size_t count);

// "what: X509 - The date tag or value is invalid", with the code given.
Error mbed_error(Code code, std::string_view what, int mbedtls_result);

}  // namespace planetbox
