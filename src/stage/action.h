// A boot action: the JSON that tells a stage what to do, in ePoxy's form.
//
//     {"kargs": {K: V},
//      "v1": {"chain": URL,
//             "vars": {K: TEXT | [TEXT…]},
//             "files": {NAME: {"url": URL, "sha256": HEX}},
//             "env": {K: V},
//             "commands": [TEXT | [ARG…]]}}
//
// With a chain the other members do not count.  Members of other names are ignored; the case of the
// names of "kargs", "v1" and v1's members does not matter (Go's decoder works so).  What
// epoxy_client would die of, an action without v1, is an error here.
//
// Limits: 1 MiB of text, 256 vars, files and env together, 1000 commands.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "stage/go_template.h"
#include "wire/kargs.h"

namespace planetbox {

inline constexpr size_t kMaxActionText = 1 << 20;

// A command as one string, to be split like a shell would, or as a list of arguments.
using ActionCommand = std::variant<std::string, std::vector<std::string>>;

struct Action {
    Kargs kargs;
    std::string chain;  // empty: carry out what follows
    TemplateVars vars;  // an array's elements are joined by one space already
    TemplateFiles files;
    std::vector<std::pair<std::string, std::string>> env;
    std::vector<ActionCommand> commands;
    // A variable of a type that cannot be used.  Only an error once the action is carried out (a
    // chained one never is), as for epoxy_client: "Unsupported type: float64 3".
    std::string bad_var;
    size_t ignored_commands = 0;  // elements that are neither text nor array
};

// Errors: kInvalid, kTooLarge; they name the member.
Result<Action> parse_action(std::string_view text);

}  // namespace planetbox
