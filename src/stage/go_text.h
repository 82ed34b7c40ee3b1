// How Go prints values: the words that epoxy_client's commands, messages and reports are made of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace planetbox {

// A decoded JSON value as Go's %v prints it: null "<nil>", 1e21 "1e+21", 1000000 "1e+06", an array
// "[a b]", an object "map[a:1 b:2]" with sorted keys.
std::string go_print(json::Value value);

// The same as "%T %#v", for messages: `float64 3`, `bool true`, `<nil> <nil>`.
std::string go_describe(json::Value value);

// Text in Go's double quotes (%q), and a list of them: `["a" "b c"]`.
std::string go_quote(std::string_view text);
std::string go_quote(const std::vector<std::string>& words);

}  // namespace planetbox
