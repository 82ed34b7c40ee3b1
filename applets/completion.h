// Shell completion. The scripts are short and ask the program itself: `planetbox APPLET
// --help-words [SUBCOMMAND]...` prints what may come next, from the same declarations as the help.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "applet.h"

namespace planetbox {

// The script for "bash", "zsh" or "fish"; empty for any other shell.
std::string completion_script(std::string_view shell, std::span<const Applet> applets);

}  // namespace planetbox
