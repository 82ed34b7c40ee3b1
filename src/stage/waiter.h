// Waiting, for a program that does one thing after another: requests, pauses and children on one
// event loop, so that every wait ends at once when SIGTERM, SIGINT or SIGHUP says so.
#pragma once

#include <memory>

#include "base/result.h"
#include "event/loop.h"
#include "net/http_client.h"

namespace planetbox {

class Waiter {
public:
    static Result<std::unique_ptr<Waiter>> create(const Clock& clock);

    Loop& loop() { return *loop_; }
    const Clock& clock() const { return loop_->clock(); }
    bool stopped() const { return stopped_; }

    // Each fails with kUnavailable "told to stop" once a signal has arrived.
    Status pause(Millis time);
    Result<HttpClientResponse> fetch(HttpClient& client, HttpClientRequest request);
    // Waits for a child that leads its own process group.  After `limit`, or when told to stop, the
    // group gets SIGKILL.  Returns the wait status.
    Result<int> wait_child(pid_t pid, Millis limit);

private:
    explicit Waiter(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
    Status turn_until(const bool& done);

    std::unique_ptr<Loop> loop_;
    bool stopped_ = false;
};

}  // namespace planetbox
