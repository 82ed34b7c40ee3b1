#include "stage/rough_clock.h"

#include <time.h>

#include <algorithm>

#include "base/strings.h"
#include "sys/files.h"

namespace planetbox {

namespace {

constexpr int64_t kDay = 86'400;
constexpr int64_t kGoodEnough = 2;

std::string shown(int64_t unix_time) { return rfc3339(from_unix_seconds(unix_time)); }

ClockDecision without_server(const ClockFacts& facts, std::string why) {
    if (facts.now >= facts.built) return {std::nullopt, why + "the clock is left alone"};
    return {facts.built,
            str_cat(why, "the clock says ", shown(facts.now),
                    ", before this system was made; starting from ", shown(facts.built))};
}

}  // namespace

ClockDecision decide_clock(const ClockFacts& facts) {
    if (!facts.server) return without_server(facts, "");
    if (*facts.server < facts.built - kDay)
        return without_server(facts,
                              str_cat("the server says ", shown(*facts.server),
                                      ", before this system was made, and is not believed; "));
    const int64_t off = facts.now - *facts.server;
    if (off >= -kGoodEnough && off <= kGoodEnough)
        return {std::nullopt, "the clock agrees with the boot server"};
    return {*facts.server, str_cat("the clock says ", shown(facts.now), ", the boot server ",
                                   shown(*facts.server))};
}

int64_t lower_clock_bound(int64_t build_epoch, const std::string& path) {
    Result<std::string> text = read_file(path, 64);
    if (!text) return build_epoch;
    return std::max(build_epoch, parse_int(trim(*text)).value_or(0));
}

Result<std::string> clock_url(const Kargs& kargs, const std::string& action) {
    for (const std::string& name :
         {action, std::string("epoxy.stage1"), std::string("epoxy.stage2"),
          std::string("epoxy.stage3"), std::string("epoxy.report")}) {
        std::string_view value = karg(kargs, name);
        Result<Url> url = parse_url(value);
        if (!url || url->scheme != "https") continue;
        // Scheme, host and port as they were written.
        size_t host = value.find("://") + 3;
        return str_cat(value.substr(0, value.find_first_of("/?#", host)), "/_ah/health");
    }
    return fail(Code::kNotFound, "the kernel command line names no https boot server");
}

Result<int64_t> ask_server_time(Waiter& waiter, const std::string& ca_pem, const std::string& url,
                                Millis limit) {
    HttpClient client(
        waiter.loop(),
        {.ca_pem = ca_pem, .user_agent = "planetbox-bootclient", .check_dates = false});
    HttpClientRequest request;
    request.url = url;
    request.max_body = 64 << 10;
    request.max_redirects = 0;
    request.total_timeout = limit;
    HttpClientResponse answer = TRY(waiter.fetch(client, std::move(request)));
    // Whatever the status: the Date header came through the pinned connection.
    std::string_view date = answer.headers.get("Date").value_or(answer.server_date);
    std::optional<WallTime> time = parse_http_date(date);
    if (!time) return fail(Code::kProtocol, "the boot server's answer holds no usable Date");
    return unix_seconds(*time);
}

Status set_clock(int64_t unix_seconds) {
    timespec now{.tv_sec = static_cast<time_t>(unix_seconds), .tv_nsec = 0};
    if (::clock_settime(CLOCK_REALTIME, &now) < 0) return fail_errno("set the clock");
    return {};
}

}  // namespace planetbox
