// Runs the services of the list: starts what is due, restarts what should go on, stops what no
// longer should.  Each service leads a session of its own, so that stopping it stops all of it.
#pragma once

#include <memory>
#include <vector>

#include "event/loop.h"
#include "init/console.h"
#include "init/reaper.h"
#include "init/services.h"

namespace planetbox {

class Supervisor {
public:
    Supervisor(Loop& loop, Reaper& reaper, Console& console, const Kargs& kargs)
        : loop_(loop), reaper_(reaper), console_(console), kargs_(kargs) {}
    ~Supervisor();

    void add(Service service);
    // Starts and stops services so that they fit the state.
    void update(const ServiceState& state);
    // SIGTERM to all, none is started again.
    void stop_all();
    size_t running() const;

private:
    struct Entry {
        Service service;
        pid_t pid = 0;  // 0: not running
        bool wanted = false;
        bool finished = false;  // a `once` that has run
        MonoTime started{};
        Backoff backoff;
        Loop::TimerId timer = 0;
    };
    void start(Entry& entry);
    void ended(Entry& entry, int wait_status);
    void stop(Entry& entry);
    void again_after(Entry& entry, std::chrono::milliseconds delay);

    Loop& loop_;
    Reaper& reaper_;
    Console& console_;
    const Kargs& kargs_;
    std::vector<std::unique_ptr<Entry>> entries_;
    bool stopping_ = false;
};

}  // namespace planetbox
