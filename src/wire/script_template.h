// The scripts of ipxe/ that are filled in for one host: kept as files in the tree so that they can
// be read as what they are, embedded in the executable by tools/embed-templates.
//
// A placeholder is {{name}}: lower-case letters, digits and '_'.  Everything else, iPXE's own
// ${name} included, stays as it is.  Values are put in as they are: the caller has checked them.
// Never blocks; the only limit is that a filled script must stay below 64 KiB.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace planetbox {

struct ScriptTemplate {
    std::string_view name;  // "autoexec.ipxe"
    std::string_view text;
};

std::span<const ScriptTemplate> script_templates();
// kNotFound when ipxe/ had no such file when this was built.
Result<std::string_view> find_script_template(std::string_view name);

using ScriptValues = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// kInvalid when the template names a value that is not given, or has an open "{{".
Result<std::string> fill_script(std::string_view text, ScriptValues values);

// What may stand in an iPXE script line as one word without being expanded or splitting the line:
// printable ASCII but space, quotes, '$', '\\', '#', '|' and '&'.
bool is_script_word(std::string_view text);

}  // namespace planetbox
