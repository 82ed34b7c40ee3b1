// Loading kernel modules: finit_module(2), one file a call.
#pragma once

#include <string>

#include "base/result.h"

namespace planetbox {

// Loads the module in this file (.ko, or .ko.xz/.ko.zst/.ko.gz, which the kernel unpacks).  One
// that is loaded already is success.  kUnsupported: this kernel cannot unpack, or the file is not
// for it; kNotFound: there is no such file, or (errno ENODEV) no such hardware.
Status load_module(const std::string& path, const std::string& parameters = "");

}  // namespace planetbox
