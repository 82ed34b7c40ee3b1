// What main.cc knows of an applet: a row of the table generated from applets.list.
#pragma once

#include <array>
#include <string_view>

namespace planetbox {

// Exit codes every applet keeps. Others belong to the applet and are documented in its help.
constexpr int kExitOk = 0;
constexpr int kExitFailure = 1;    // it was asked properly and could not be done
constexpr int kExitUsage = 2;      // the command line is wrong; one line on stderr names the word
constexpr int kExitUnknown = 127;  // there is no such applet

struct Applet {
    std::string_view name;
    std::string_view summary;
    int (*main)(int argc, char** argv);  // argv[0] is the applet's name
};

}  // namespace planetbox
