// Prometheus metrics, text format 0.0.4 (promtool-clean): counters, gauges and histograms with
// labels. A Registry belongs to one process and is handed down by reference.
//
//     Registry registry;
//     Counter& refused = registry.counter("bootd_tokens_refused_total", "Tokens refused, by
//     reason.", {"reason"}); refused.add({"expired"}); Histogram& h =
//     registry.histogram("epoxy_request_duration_seconds", "…", {"code"}, default_buckets());
//     h.observe({"200"}, 0.013);
//
// In a hot path take a handle once; using it neither looks up nor allocates:
//     Counter::Handle expired = refused.with({"expired"});
//     expired.add();
//
// Label values come from closed sets, never from a peer: a metric holds at most kMaxSeries series
// (unless allow_series() says more), and what would be one more is counted in a series whose label
// values all read "other".
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace planetbox {

using LabelValues = std::vector<std::string>;
inline constexpr size_t kMaxSeries = 1000;

// Counters only rise: a negative or not-finite `by` is a bug (CHECK).
class Counter {
public:
    class Handle {
    public:
        void add(double by = 1);

    private:
        friend class Counter;
        explicit Handle(double* value) : value_(value) {}
        double* value_;  // map nodes do not move, and series are never removed
    };

    void add(const LabelValues& labels = {}, double by = 1) { with(labels).add(by); }
    Handle with(const LabelValues& labels);  // the series exists from now on, at 0
    // For labels whose closed set is larger, as the hosts on record are.
    void allow_series(size_t count) { max_series_ = count; }

private:
    friend class Registry;
    std::map<LabelValues, double> values_;
    size_t label_count_ = 0;
    size_t max_series_ = kMaxSeries;
};

class Gauge {
public:
    void set(const LabelValues& labels, double value);
    void set(double value) { set({}, value); }
    void add(const LabelValues& labels, double by);  // may be negative
    void remove(const LabelValues& labels);
    void clear();  // removes every series, before on_collect sets them anew
    void allow_series(size_t count) { max_series_ = count; }

private:
    friend class Registry;
    std::map<LabelValues, double> values_;
    size_t label_count_ = 0;
    size_t max_series_ = kMaxSeries;
};

class Histogram {
    struct Cell {
        std::vector<uint64_t> buckets;  // not cumulative; the last one is +Inf
        double sum = 0;
        uint64_t count = 0;
    };

public:
    class Handle {
    public:
        void observe(double value);

    private:
        friend class Histogram;
        Handle(Cell* cell, const std::vector<double>* bounds) : cell_(cell), bounds_(bounds) {}
        Cell* cell_;
        const std::vector<double>* bounds_;
    };

    void observe(const LabelValues& labels, double value) { with(labels).observe(value); }
    Handle with(const LabelValues& labels);

private:
    friend class Registry;
    std::map<LabelValues, Cell> cells_;
    std::vector<double> bounds_;
    size_t label_count_ = 0;
};

// .005 … 10: the default of the Prometheus client libraries.
std::vector<double> default_buckets();

class Registry {
public:
    Registry();
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;
    // A name is registered once; a second registration, or a name the format does not allow, is a
    // bug (CHECK).  References stay valid as long as the registry.
    Counter& counter(std::string name, std::string help, std::vector<std::string> labels = {});
    Gauge& gauge(std::string name, std::string help, std::vector<std::string> labels = {});
    // `bounds` rise strictly; +Inf is added.
    Histogram& histogram(std::string name, std::string help, std::vector<std::string> labels,
                         std::vector<double> bounds);
    // The value of planetbox_build_info's `version` label.
    void set_build_version(std::string version);
    // Runs before each render, to set gauges from state that lives elsewhere.
    void on_collect(std::function<void()> collect);
    // Content-Type: text/plain; version=0.0.4; charset=utf-8.  process_* and planetbox_build_info
    // included.
    std::string render();

private:
    struct State;
    void render_histogram(std::string& out, std::string_view name) const;
    std::unique_ptr<State> state_;
};

}  // namespace planetbox
