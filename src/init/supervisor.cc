#include "init/supervisor.h"

#include <signal.h>

#include "base/strings.h"
#include "sys/process.h"

namespace planetbox {

Supervisor::~Supervisor() {
    for (auto& entry : entries_) {
        loop_.cancel(entry->timer);
        if (entry->pid) reaper_.forget(entry->pid);
    }
}

void Supervisor::add(Service service) {
    entries_.push_back(std::make_unique<Entry>());
    entries_.back()->service = std::move(service);
}

void Supervisor::update(const ServiceState& state) {
    if (stopping_) return;
    for (auto& entry : entries_) {
        entry->wanted = is_due(entry->service, kargs_, state);
        if (!entry->wanted) {
            stop(*entry);
        } else if (!entry->pid && !entry->timer && !entry->finished) {
            start(*entry);
        }
    }
}

void Supervisor::start(Entry& entry) {
    SpawnOptions options;
    options.argv = entry.service.argv;
    options.new_session = true;
    entry.started = loop_.clock().mono();
    Result<pid_t> pid = spawn(options);
    if (!pid) {
        console_.step(entry.service.name, "cannot start: " + pid.error().message());
        if (entry.service.respawn)
            again_after(entry, entry.backoff.next(std::chrono::nanoseconds(0)));
        else
            entry.finished = true;
        return;
    }
    entry.pid = *pid;
    reaper_.watch(*pid, [this, &entry](int status) { ended(entry, status); });
}

void Supervisor::ended(Entry& entry, int wait_status) {
    entry.pid = 0;
    if (stopping_ || !entry.wanted) return;
    if (!entry.service.respawn) {
        entry.finished = true;
        if (wait_status != 0) console_.step(entry.service.name, describe_wait_status(wait_status));
        return;
    }
    std::chrono::milliseconds delay = entry.backoff.next(loop_.clock().mono() - entry.started);
    console_.step(entry.service.name, str_cat("ended (", describe_wait_status(wait_status),
                                              "), again in ", human_duration(delay)));
    again_after(entry, delay);
}

void Supervisor::again_after(Entry& entry, std::chrono::milliseconds delay) {
    entry.timer = loop_.after(delay, [this, &entry] {
        entry.timer = 0;
        if (!stopping_ && entry.wanted && !entry.pid) start(entry);
    });
}

void Supervisor::stop(Entry& entry) {
    loop_.cancel(entry.timer);
    entry.timer = 0;
    if (entry.pid) ::kill(-entry.pid, SIGTERM);
}

void Supervisor::stop_all() {
    stopping_ = true;
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) stop(**entry);
}

size_t Supervisor::running() const {
    size_t count = 0;
    for (auto& entry : entries_) count += entry->pid != 0;
    return count;
}

}  // namespace planetbox
