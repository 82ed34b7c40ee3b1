// The list of services that init runs: /etc/planetbox/services.
//
//   NAME  WHEN  MODE  COMMAND [ARGUMENT...]        '#' begins a comment
//
//   WHEN  always | online | rescue | karg:NAME | karg:NAME=VALUE | !karg:NAME
//   MODE  once | respawn
// Words are split at spaces; "double quotes" keep spaces together; no shell, no variables.
//
// Limits: 64 KiB, 100 services, 64 words a line.  A wrong line is an error of its own: the others
// count, because a machine that is far away must start with what can be understood.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/kargs.h"

namespace planetbox {

inline constexpr size_t kServicesLimit = 64 * 1024;

struct Service {
    enum class When { kAlways, kOnline, kRescue, kKarg, kNotKarg };
    std::string name;
    When when = When::kAlways;
    std::string karg;        // for kKarg and kNotKarg
    std::string karg_value;  // with has_value
    bool has_value = false;
    bool respawn = false;
    std::vector<std::string> argv;
    bool operator==(const Service&) const = default;
};

struct ServiceList {
    std::vector<Service> services;
    std::vector<std::string> errors;  // "services line 4: unknown mode \"twice\" (once, respawn)"
};

ServiceList parse_services(std::string_view text);

// What the machine is at; a service runs when its condition holds.
struct ServiceState {
    bool online = false;
    bool rescue = false;
};
bool is_due(const Service& service, const Kargs& kargs, const ServiceState& state);

// How long to wait before the next start: nothing after a run of 10 s or more, else 0.5 s doubling
// to a minute.
class Backoff {
public:
    std::chrono::milliseconds next(std::chrono::nanoseconds ran);

private:
    int early_ends_ = 0;
};

}  // namespace planetbox
