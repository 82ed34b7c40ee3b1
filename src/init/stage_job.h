// One run of a program whose output is shown on the console and listened to: bootclient at its
// stages.  Its own lines ("bootclient: …") are shown as steps of the machine, with the time; what
// the commands of an action print is shown as it is.
//
// The last failure code in its output ("… B05 …") is remembered, so that the console, the retry and
// the rescue know why it failed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "event/loop.h"
#include "init/console.h"
#include "init/reaper.h"

namespace planetbox {

// The last code of wire/failure_code.h that stands as a word of its own in this line; empty if
// none.
std::string_view code_in_line(std::string_view line);

class StageJob {
public:
    StageJob(Loop& loop, Reaper& reaper, Console& console)
        : loop_(loop), reaper_(reaper), console_(console) {}
    ~StageJob();

    // After the program's end and the end of its output.
    using Done = std::function<void(int wait_status)>;
    // Called, from the loop, for each try of the program that failed.
    std::function<void(std::string_view code)> on_failure;

    // What the lines are shown under: "stage2".
    std::string topic = "boot";

    // argv[0] is one of our own applets.  After `limit` its session is killed.
    Status start(std::vector<std::string> argv, Millis limit, Done done);
    bool running() const { return pid_ != 0; }
    void kill();
    void abandon();  // kill, and done is not called

    const std::string& code() const { return code_; }
    const std::string& last_line() const { return last_line_; }

private:
    void on_output();
    void take(std::string_view bytes);
    void take_line(std::string_view line, char end);
    void maybe_done();

    Loop& loop_;
    Reaper& reaper_;
    Console& console_;
    Done done_;
    UniqueFd output_;
    std::string partial_, code_, last_line_;
    Loop::TimerId deadline_ = 0;
    pid_t pid_ = 0;
    bool ended_ = false;
    int wait_status_ = 0;
};

}  // namespace planetbox
