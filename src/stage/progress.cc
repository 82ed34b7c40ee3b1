#include "stage/progress.h"

#include "base/strings.h"

namespace planetbox {

namespace {

double seconds_between(MonoTime from, MonoTime to) {
    return std::chrono::duration<double>(to - from).count();
}

}  // namespace

std::string progress_text(uint64_t done, uint64_t total, double bytes_per_second) {
    std::string out = human_bytes(done);
    if (total)
        out += strf(" of %s (%.0f %%)", human_bytes(total).c_str(),
                    100.0 * static_cast<double>(done) / static_cast<double>(total));
    out += str_cat(", ", human_bytes(static_cast<uint64_t>(bytes_per_second)), "/s");
    if (total <= done) return out;
    if (bytes_per_second < 1) return out + ", stalled";
    double left = static_cast<double>(total - done) / bytes_per_second;
    return str_cat(out, ", ", human_duration(Seconds(static_cast<int64_t>(left + 1))), " left");
}

ProgressMeter::ProgressMeter(std::string name, Millis interval, const Clock& clock, Say say)
    : name_(std::move(name)),
      interval_(interval),
      clock_(clock),
      say_(std::move(say)),
      start_(clock.mono()),
      last_time_(start_) {}

void ProgressMeter::update(uint64_t done, uint64_t total) {
    // Bytes that an earlier try has brought count for nothing in the speed.
    if (first_ || done < last_done_) last_done_ = done;
    first_ = false;
    MonoTime now = clock_.mono();
    if (interval_.count() <= 0 || now - last_time_ < interval_) return;
    double rate = static_cast<double>(done - last_done_) / seconds_between(last_time_, now);
    say_(str_cat("  ", name_, ": ", progress_text(done, total, rate)));
    last_time_ = now;
    last_done_ = done;
}

std::string ProgressMeter::summary(uint64_t received) const {
    double seconds = std::max(seconds_between(start_, clock_.mono()), 0.001);
    return strf(
        "%s: %s in %.1f s (%s/s)", name_.c_str(), human_bytes(received).c_str(), seconds,
        human_bytes(static_cast<uint64_t>(static_cast<double>(received) / seconds)).c_str());
}

}  // namespace planetbox
