// Splits a command written as one string, the way the actions' authors expect it: as epoxy_client's
// shell-like splitter does (not as a shell: nothing is expanded).
//
// Space, tab, CR and LF separate words.  Double quotes hold words together and a backslash in them
// takes the next character as it is; single quotes hold everything; a backslash outside quotes
// takes the next character as it is.  '#' at the start of a word begins a comment up to the line's
// end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace planetbox {

// A comment alone yields no words.  Errors: kInvalid with epoxy_client's words ("EOF found when
// expecting closing quote", "EOF found after escape character").
Result<std::vector<std::string>> split_shell_words(std::string_view text);

}  // namespace planetbox
