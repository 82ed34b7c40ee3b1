#include "metrics/metrics.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cmath>

#include "base/strings.h"
#include "sys/files.h"
#include "sys/process.h"

using namespace planetbox;

namespace {

// The text without the process's own metrics.
std::string own(Registry& registry) {
    std::string text = registry.render();
    return text.substr(0, text.find("# HELP process_cpu"));
}

bool has_line(const std::string& text, std::string_view line) {
    return text.find(str_cat("\n", line, "\n")) != std::string::npos;
}

}  // namespace

// Catches: escaping that breaks a scrape, and numbers in a form Prometheus does not read.
TEST_CASE("counters and gauges, labels and help escaped as format 0.0.4 says") {
    Registry registry;
    Counter& refused =
        registry.counter("refused_total", "Refused \\ by \"reason\",\nsecond line.", {"reason"});
    refused.add({"expired"});
    refused.add({"expired"}, 2);
    refused.add({"a\"b\\c\nd"}, 0.5);
    Gauge& gauge = registry.gauge("temperature", "Now.");
    gauge.set(-1.5);
    CHECK(own(registry) ==
          "# HELP refused_total Refused \\\\ by \"reason\",\\nsecond line.\n"
          "# TYPE refused_total counter\n"
          "refused_total{reason=\"a\\\"b\\\\c\\nd\"} 0.5\n"
          "refused_total{reason=\"expired\"} 3\n"
          "# HELP temperature Now.\n"
          "# TYPE temperature gauge\n"
          "temperature -1.5\n");
    gauge.set(INFINITY);
    CHECK(has_line(registry.render(), "temperature +Inf"));
    gauge.set(NAN);
    CHECK(has_line(registry.render(), "temperature NaN"));
    gauge.set(1e15);
    CHECK(has_line(registry.render(), "temperature 1000000000000000"));
    gauge.set(1e300);
    CHECK(has_line(registry.render(), "temperature 1e+300"));
    gauge.set(0.1);
    CHECK(has_line(registry.render(), "temperature 0.1"));
}

// Catches: buckets that are not cumulative, a value on a bound counted above it, no +Inf.
TEST_CASE("histograms are cumulative and end in +Inf") {
    Registry registry;
    Histogram& h = registry.histogram("wait_seconds", "Wait.", {"code"}, {0.1, 1});
    h.observe({"200"}, 0.1);
    Histogram::Handle bound = h.with({"200"});
    bound.observe(0.5);
    bound.observe(7);
    CHECK(own(registry) ==
          "# HELP wait_seconds Wait.\n"
          "# TYPE wait_seconds histogram\n"
          "wait_seconds_bucket{code=\"200\",le=\"0.1\"} 1\n"
          "wait_seconds_bucket{code=\"200\",le=\"1\"} 2\n"
          "wait_seconds_bucket{code=\"200\",le=\"+Inf\"} 3\n"
          "wait_seconds_sum{code=\"200\"} 7.6\n"
          "wait_seconds_count{code=\"200\"} 3\n");
}

// Catches: a counter that a dashboard cannot rate() because it only appears with its first event.
TEST_CASE("what has no labels is there from the start; handles are live") {
    Registry registry;
    Counter& plain = registry.counter("plain_total", "Plain.");
    CHECK(has_line(registry.render(), "plain_total 0"));
    Counter::Handle handle = plain.with({});
    Counter& labelled = registry.counter("labelled_total", "Labelled.", {"a"});
    Counter::Handle one = labelled.with({"x"});
    for (int i = 0; i < 100; ++i) labelled.with({std::to_string(i)});
    handle.add();
    one.add(4);
    CHECK(has_line(registry.render(), "plain_total 1"));
    CHECK(has_line(registry.render(), "labelled_total{a=\"x\"} 4"));
}

// Catches: a peer's text used as a label, which would eat all memory.
TEST_CASE("series are bounded") {
    Registry registry;
    Counter& counter = registry.counter("wild_total", "Wild.", {"a", "b"});
    for (int i = 0; i < 5000; ++i) counter.add({std::to_string(i), "x"});
    std::string text = registry.render();
    CHECK(has_line(text, "wild_total{a=\"other\",b=\"other\"} 4000"));
    CHECK(has_line(text, "wild_total{a=\"999\",b=\"x\"} 1"));
    CHECK(!has_line(text, "wild_total{a=\"1000\",b=\"x\"} 1"));
}

TEST_CASE("collectors run before a render; gauges can be removed") {
    Registry registry;
    Gauge& hosts = registry.gauge("hosts", "Hosts.", {"state"});
    int renders = 0;
    registry.on_collect([&] {
        hosts.clear();
        hosts.set({renders++ ? "second" : "first"}, 1);
    });
    CHECK(has_line(registry.render(), "hosts{state=\"first\"} 1"));
    std::string text = registry.render();
    CHECK(has_line(text, "hosts{state=\"second\"} 1"));
    CHECK(!has_line(text, "hosts{state=\"first\"} 1"));
}

// Catches: process values that are off by a unit (pages for bytes, ticks for seconds).
TEST_CASE("the process tells of itself in the usual names and units") {
    Registry registry;
    registry.set_build_version("1.2.3 (\"x\")");
    std::string text = registry.render();
    CHECK(has_line(text, "planetbox_build_info{version=\"1.2.3 (\\\"x\\\")\"} 1"));
    auto value = [&](std::string_view name) {
        size_t at = text.find(str_cat("\n", name, " "));
        REQUIRE(at != std::string::npos);
        return std::stod(text.substr(at + name.size() + 2));
    };
    double now = static_cast<double>(unix_seconds(RealClock().wall()));
    CHECK(value("process_start_time_seconds") > now - 3600);
    CHECK(value("process_start_time_seconds") <= now + 2);
    CHECK(value("process_resident_memory_bytes") > 100'000);
    CHECK(value("process_open_fds") >= 3);
    CHECK(value("process_open_fds") < 1000);
    CHECK(value("process_cpu_seconds_total") >= 0);
    CHECK(value("process_cpu_seconds_total") < 1000);
}

// Catches: what the peer itself would complain of.
TEST_CASE("promtool has nothing to say") {
    Registry registry;
    registry.counter("bootd_refused_total", "Refused, by reason.", {"reason"}).add({"a\"b"});
    registry.histogram("bootd_wait_seconds", "Wait.", {"code"}, default_buckets())
        .observe({"200"}, 0.2);
    registry.gauge("bootd_hosts", "Hosts.").set(3);
    char exe[4096];
    ssize_t length = ::readlink("/proc/self/exe", exe, sizeof exe);
    std::string root = dir_name(dir_name(std::string_view(exe, static_cast<size_t>(length))));
    SpawnOptions options;
    options.argv = {"promtool", "check", "metrics"};
    // build-deps/ lies beside the build directory.
    options.env = {str_cat("PATH=", root, "/build-deps/peers/usr/bin:/usr/bin:/bin")};
    auto checked = run_program(options, Millis(20'000), 1 << 20, registry.render(), true);
    if (!checked && checked.error().code() == Code::kNotFound) {
        MESSAGE("promtool is not here: not tried");
        return;
    }
    REQUIRE(checked);
    CHECK(checked->output == "");
    CHECK(checked->ok());
}
