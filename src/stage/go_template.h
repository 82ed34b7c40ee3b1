// The part of Go's text/template that boot actions use; bootclient evaluates every value of an
// action with it.
//
//     {{kargs `name`}} {{kargs "name"}}   value of a kernel argument, "" when it is missing
//     {{.vars.name}}                      a variable of the action, "<no value>" when it is missing
//     {{.files.name.KEY}}                 of a downloaded file: name (its path), url, sha256
//     {{`text`}} {{"text"}}               the text itself, for a literal "{{"
//     {{/* a comment */}}                 nothing
//     {{- … -}}                           the same, taking the white space before or after with it
//
// Values are inserted as they are and are not looked at again.  Everything else of that language
// (if, range, pipelines, printf, $x, …) is refused by an error that names the form.
// Limits: a result of 128 KiB, which is also what Linux takes as one argument of a command.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/kargs.h"

namespace planetbox {

using TemplateVars = std::map<std::string, std::string, std::less<>>;
using TemplateFiles =
    std::map<std::string, std::map<std::string, std::string, std::less<>>, std::less<>>;

// What a template may see; a name space that is not given reads as empty.
struct TemplateScope {
    const Kargs* kargs = nullptr;
    const TemplateVars* vars = nullptr;
    const TemplateFiles* files = nullptr;
};

inline constexpr size_t kMaxTemplateResult = 128 << 10;

// Errors: kInvalid, "template `…`: what is wrong"; kTooLarge.
Result<std::string> expand_template(std::string_view text, const TemplateScope& scope);

}  // namespace planetbox
