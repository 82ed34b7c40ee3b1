#include "metrics/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <variant>

#include "base/result.h"
#include "metrics/process_stats.h"

namespace planetbox {

namespace {

// The cell of these label values, made when absent.
template <typename Cell>
Cell& series(std::map<LabelValues, Cell>& cells, const LabelValues& labels, size_t label_count,
             const Cell& fresh, size_t limit = kMaxSeries) {
    CHECK(labels.size() == label_count);
    auto found = cells.find(labels);
    if (found != cells.end()) return found->second;
    if (cells.size() < limit || label_count == 0) return cells.emplace(labels, fresh).first->second;
    return cells.emplace(LabelValues(label_count, "other"), fresh).first->second;
}

bool is_name(std::string_view name, bool colon_allowed) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    return std::all_of(name.begin(), name.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || (c == ':' && colon_allowed);
    });
}

// Help texts keep their quotes, label values do not.
void append_escaped(std::string& out, std::string_view text, bool label_value) {
    for (char c : text) {
        if (c == '\\')
            out += "\\\\";
        else if (c == '\n')
            out += "\\n";
        else if (c == '"' && label_value)
            out += "\\\"";
        else
            out += c;
    }
}

void append_number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else {
        // Whole numbers in full, as people read them; the rest in the shortest form that reads
        // back.
        char buffer[40];
        bool whole = std::trunc(value) == value && std::fabs(value) < 9007199254740992.0;
        auto end = whole
                       ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<int64_t>(value))
                       : std::to_chars(buffer, buffer + sizeof buffer, value);
        out.append(buffer, end.ptr);
    }
}

struct Family {
    std::string name, help;
    std::vector<std::string> labels;
    std::variant<Counter, Gauge, Histogram> metric;
};

// `le` is a histogram's own label, nullptr otherwise.
void append_sample(std::string& out, const Family& family, std::string_view suffix,
                   const LabelValues& values, const double* le, double value) {
    out.append(family.name).append(suffix);
    char separator = '{';
    auto label = [&](std::string_view name) {
        out += std::exchange(separator, ',');
        out.append(name).append("=\"");
    };
    for (size_t i = 0; i < values.size(); ++i) {
        label(family.labels[i]);
        append_escaped(out, values[i], true);
        out += '"';
    }
    if (le) {
        label("le");
        append_number(out, *le);
        out += '"';
    }
    if (separator == ',') out += '}';
    out += ' ';
    append_number(out, value);
    out += '\n';
}

void append_header(std::string& out, std::string_view name, std::string_view help,
                   std::string_view type) {
    out.append("# HELP ").append(name).append(" ");
    append_escaped(out, help, false);
    out.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

}  // namespace

void Counter::Handle::add(double by) {
    CHECK(by >= 0 && std::isfinite(by));
    *value_ += by;
}

Counter::Handle Counter::with(const LabelValues& labels) {
    return Handle(&series(values_, labels, label_count_, 0.0, max_series_));
}

void Gauge::set(const LabelValues& labels, double value) {
    series(values_, labels, label_count_, 0.0, max_series_) = value;
}
void Gauge::add(const LabelValues& labels, double by) {
    series(values_, labels, label_count_, 0.0, max_series_) += by;
}
void Gauge::remove(const LabelValues& labels) { values_.erase(labels); }
void Gauge::clear() { values_.clear(); }

Histogram::Handle Histogram::with(const LabelValues& labels) {
    Cell fresh{std::vector<uint64_t>(bounds_.size() + 1), 0, 0};
    return Handle(&series(cells_, labels, label_count_, fresh), &bounds_);
}

void Histogram::Handle::observe(double value) {
    // A value that is equal to a bound belongs below it (`le`); NaN falls into +Inf.
    auto bound = std::lower_bound(bounds_->begin(), bounds_->end(), value);
    if (std::isnan(value)) bound = bounds_->end();
    ++cell_->buckets[static_cast<size_t>(bound - bounds_->begin())];
    cell_->sum += value;
    ++cell_->count;
}

std::vector<double> default_buckets() { return {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}; }

struct Registry::State {
    std::map<std::string, std::unique_ptr<Family>, std::less<>> families;  // rendered in this order
    std::vector<std::function<void()>> collectors;
    std::string build_version = "unknown";

    template <typename Metric>
    Metric& add(std::string name, std::string help, std::vector<std::string> labels) {
        CHECK(is_name(name, true) && !families.contains(name));
        for (const std::string& label : labels)
            CHECK(is_name(label, false) && label != "le" && !label.starts_with("__"));
        auto family = std::make_unique<Family>(
            Family{name, std::move(help), std::move(labels),
                   std::variant<Counter, Gauge, Histogram>(std::in_place_type<Metric>)});
        Metric& metric = std::get<Metric>(family->metric);
        families.emplace(std::move(name), std::move(family));
        return metric;
    }

    void render_counts(std::string& out, const Family& family,
                       const std::map<LabelValues, double>& values, std::string_view type) {
        append_header(out, family.name, family.help, type);
        for (const auto& [labels, value] : values)
            append_sample(out, family, "", labels, nullptr, value);
    }

    void render_process(std::string& out) {
        for (const ProcessStat& stat : process_stats()) {
            append_header(out, stat.name, stat.help, stat.type);
            out.append(stat.name).append(" ");
            append_number(out, stat.value);
            out += '\n';
        }
        append_header(out, "planetbox_build_info", "Which planetbox this is; always 1.", "gauge");
        out += "planetbox_build_info{version=\"";
        append_escaped(out, build_version, true);
        out += "\"} 1\n";
    }
};

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string name, std::string help, std::vector<std::string> labels) {
    size_t count = labels.size();
    Counter& counter = state_->add<Counter>(std::move(name), std::move(help), std::move(labels));
    counter.label_count_ = count;
    if (count == 0) counter.with({});  // a counter without labels is there from the start, at 0
    return counter;
}

Gauge& Registry::gauge(std::string name, std::string help, std::vector<std::string> labels) {
    size_t count = labels.size();
    Gauge& gauge = state_->add<Gauge>(std::move(name), std::move(help), std::move(labels));
    gauge.label_count_ = count;
    return gauge;
}

Histogram& Registry::histogram(std::string name, std::string help, std::vector<std::string> labels,
                               std::vector<double> bounds) {
    if (!bounds.empty() && std::isinf(bounds.back())) bounds.pop_back();
    CHECK(std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>()) == bounds.end());
    size_t count = labels.size();
    Histogram& histogram =
        state_->add<Histogram>(std::move(name), std::move(help), std::move(labels));
    histogram.label_count_ = count;
    histogram.bounds_ = std::move(bounds);
    if (count == 0) histogram.with({});
    return histogram;
}

void Registry::set_build_version(std::string version) {
    state_->build_version = std::move(version);
}

void Registry::on_collect(std::function<void()> collect) {
    state_->collectors.push_back(std::move(collect));
}

void Registry::render_histogram(std::string& out, std::string_view name) const {
    const Family& family = *state_->families.find(name)->second;
    const Histogram& histogram = std::get<Histogram>(family.metric);
    append_header(out, family.name, family.help, "histogram");
    for (const auto& [labels, cell] : histogram.cells_) {
        uint64_t cumulative = 0;
        for (size_t i = 0; i < cell.buckets.size(); ++i) {
            cumulative += cell.buckets[i];
            double le = i < histogram.bounds_.size() ? histogram.bounds_[i] : HUGE_VAL;
            append_sample(out, family, "_bucket", labels, &le, static_cast<double>(cumulative));
        }
        append_sample(out, family, "_sum", labels, nullptr, cell.sum);
        append_sample(out, family, "_count", labels, nullptr, static_cast<double>(cell.count));
    }
}

std::string Registry::render() {
    for (auto& collect : state_->collectors) collect();
    std::string out;
    for (auto& [name, family] : state_->families) {
        if (auto* counter = std::get_if<Counter>(&family->metric))
            state_->render_counts(out, *family, counter->values_, "counter");
        else if (auto* gauge = std::get_if<Gauge>(&family->metric))
            state_->render_counts(out, *family, gauge->values_, "gauge");
        else
            render_histogram(out, name);
    }
    state_->render_process(out);
    return out;
}

}  // namespace planetbox
