// Takes secrets out of text that leaves the machine or reaches a console: the session ids in boot
// URLs (…/v1/boot/HOST/ID/stage2) and the values of key, p, token, password and session in queries.
#pragma once

#include <string>
#include <string_view>

namespace planetbox {

// Works on any text, however many URLs it holds and whatever stands around them.
std::string redact(std::string_view text);

}  // namespace planetbox
