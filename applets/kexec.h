// The kexec applet's work, for bootclient: a boot action's kexec command is carried out in its own
// process, so that a failure's reason reaches the report.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace planetbox {

// argv[0] is the program's name.  `expected`: path → SHA-256 in hex of files that were verified
// when they were downloaded.  With --force this does not return when it works.  A bad command line
// is kInvalid, and has been explained on stderr.
Status run_kexec(const std::vector<std::string>& argv,
                 const std::map<std::string, std::string>& expected);

}  // namespace planetbox
