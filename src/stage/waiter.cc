#include "stage/waiter.h"

#include <signal.h>

namespace planetbox {

namespace {

std::unexpected<Error> told_to_stop() { return fail(Code::kUnavailable, "told to stop"); }

}  // namespace

Result<std::unique_ptr<Waiter>> Waiter::create(const Clock& clock) {
    std::unique_ptr<Waiter> waiter(new Waiter(TRY(Loop::create(clock))));
    for (int number : {SIGTERM, SIGINT, SIGHUP})
        TRY(waiter->loop_->on_signal(number, [raw = waiter.get()] { raw->stopped_ = true; }));
    return waiter;
}

Status Waiter::turn_until(const bool& done) {
    while (!done && !stopped_) TRY(loop_->turn(Seconds(1)));
    return {};
}

Status Waiter::pause(Millis time) {
    bool over = false;
    Loop::TimerId timer = loop_->after(time, [&] { over = true; });
    Status turned = turn_until(over);
    loop_->cancel(timer);
    TRY(turned);
    if (stopped_) return told_to_stop();
    return {};
}

Result<HttpClientResponse> Waiter::fetch(HttpClient& client, HttpClientRequest request) {
    if (stopped_) return told_to_stop();
    bool done = false;
    Result<HttpClientResponse> answer = fail(Code::kUnavailable, "no answer");
    uint64_t id = client.start(std::move(request), [&](Result<HttpClientResponse> result) {
        answer = std::move(result);
        done = true;
    });
    Status turned = turn_until(done);
    if (done) return answer;
    client.cancel(id);
    TRY(turned);
    return told_to_stop();
}

Result<int> Waiter::wait_child(pid_t pid, Millis limit) {
    bool ended = false, over = false;
    int status = 0;
    TRY(loop_->on_child(pid, [&](int wait_status) {
        status = wait_status;
        ended = true;
    }));
    Loop::TimerId timer = loop_->after(limit, [&] { over = true; });
    Status turned;
    while (!ended && !over && !stopped_ && turned) turned = loop_->turn(Seconds(1));
    loop_->cancel(timer);
    if (!ended) ::kill(-pid, SIGKILL);
    // SIGKILL needs no deadline, but for a process that hangs in the kernel.
    MonoTime until = clock().mono() + Seconds(30);
    while (!ended && turned && clock().mono() < until) turned = loop_->turn(Seconds(1));
    TRY(turned);
    if (!ended) return fail(Code::kTimeout, "cannot be killed");
    return status;
}

}  // namespace planetbox
