// Prometheus metrics, text format 0.0.4 (promtool-clean): counters, gauges and histograms with labels.
// A Registry belongs to one process and is handed down by reference.
//
//     Registry registry;
//     Counter& refused = registry.counter("bootd_tokens_refused_total", "Tokens refused, by reason.", {"reason"});
//     refused.add({"expired"});
//     Histogram& h = registry.histogram("epoxy_request_duration_seconds", "…", {"code"}, default_buckets());
//     h.observe({"200"}, 0.013);
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

class Counter {
public:
    void add(const LabelValues& labels = {}, double by = 1);

private:
    friend class Registry;
    std::map<LabelValues, double> values_;
    size_t label_count_ = 0;
};

class Gauge {
public:
    void set(const LabelValues& labels, double value);
    void set(double value) { set({}, value); }
    void remove(const LabelValues& labels);

private:
    friend class Registry;
    std::map<LabelValues, double> values_;
    size_t label_count_ = 0;
};

class Histogram {
public:
    void observe(const LabelValues& labels, double value);

private:
    friend class Registry;
    struct Cell {
        std::vector<uint64_t> buckets;
        double sum = 0;
        uint64_t count = 0;
    };
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
    // A name is registered once; a second registration is a bug (CHECK).  References stay valid.
    Counter& counter(std::string name, std::string help, std::vector<std::string> labels = {});
    Gauge& gauge(std::string name, std::string help, std::vector<std::string> labels = {});
    Histogram& histogram(std::string name, std::string help, std::vector<std::string> labels,
                         std::vector<double> bounds);
    // Runs before each render, to set gauges from state that lives elsewhere.
    void on_collect(std::function<void()> collect);
    std::string render();  // process_* and planetbox_build_info included

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace planetbox
