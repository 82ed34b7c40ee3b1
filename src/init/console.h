// What a person in front of the machine sees, and what a program on its serial port follows.
//
// Every step is one line on every console of the kernel (console=tty0 console=ttyS0 means both),
// with the time since the kernel started, and goes into the kernel's log as well, where dmesg finds
// it:
//
//     planetbox: [  1.23] network: 10.0.2.15/24 via eth0
//     planetbox: [ 61.90] failed: B01 No network interface has a link. Check the cable …
//
// Before /dev and /proc are there, lines are kept and shown once they can be.  Writes never block
// for more than a moment: a serial port that nobody reads must not stop PID 1; what does not fit is
// dropped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace planetbox {

class Console {
public:
    // Opens the consoles, makes the last one this process's stdin, stdout and stderr, and writes
    // what was kept.
    void open();

    // "planetbox: [time] topic: text"; control characters in text are made visible.
    void step(std::string_view topic, std::string_view text);
    // step("failed", …) with the code's own sentence and remedy; detail may be empty.
    void failure(std::string_view code, std::string_view detail);
    // A program's output, as it is.
    void raw(std::string_view bytes);
    // Waits, for a second at most, until slow serial ports have sent all: before the machine goes.
    void drain();

    // Path of the terminal for a shell ("/dev/ttyS0"), and an fd that reads what is typed on it.
    const std::string& terminal() const { return terminal_; }
    int input_fd() const { return 0; }

private:
    struct Output {
        std::string path;
        UniqueFd fd;
    };
    void write_all_consoles(std::string_view bytes);

    std::vector<Output> outputs_;
    UniqueFd kmsg_;
    std::string terminal_ = "/dev/console";
    std::vector<std::string> kept_;
    bool open_ = false;
    bool in_line_ = false;  // a program's output has not ended its line
};

// Seconds since the kernel started.
double uptime_seconds();

}  // namespace planetbox
