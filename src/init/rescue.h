// Help for a machine that does not boot: sshd that takes keys only, and a shell on the console.
//
// sshd (dropbear) runs when the image has it and /etc/planetbox/rescue_keys holds keys; it makes
// its host key when first asked.  There is no password anywhere.  The console's shell needs the
// Enter key on the terminal: whoever stands before the machine holds it anyway.
#pragma once

#include <string>
#include <string_view>

#include "event/loop.h"
#include "init/console.h"
#include "init/reaper.h"
#include "init/services.h"

namespace planetbox {

// How many keys an authorized_keys text holds: lines that are neither empty nor comments.
int count_keys(std::string_view authorized_keys);

class Rescue {
public:
    Rescue(Loop& loop, Reaper& reaper, Console& console)
        : loop_(loop), reaper_(reaper), console_(console) {}
    ~Rescue();

    // The service that runs sshd, to be supervised; an empty argv when there are no keys or no
    // dropbear (and `why` says which).
    static Service prepare_sshd(std::string& why);

    // Offers the shell: says so, and starts it at Enter.
    void offer_shell();
    bool offered() const { return offered_; }
    bool shell_running() const { return shell_ != 0; }

private:
    void listen();
    void start_shell();

    Loop& loop_;
    Reaper& reaper_;
    Console& console_;
    bool offered_ = false;
    bool listening_ = false;
    pid_t shell_ = 0;
};

}  // namespace planetbox
