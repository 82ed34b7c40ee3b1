#include "metrics/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <optional>

#include "base/strings.h"
#include "sys/files.h"

namespace planetbox {

namespace {

std::optional<double> cpu_seconds() {
    timespec used{};
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0) return std::nullopt;
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

// /proc/self/statm: total and resident size in pages.
std::optional<double> statm_bytes(size_t field) {
    Result<std::string> text = read_file("/proc/self/statm", 4096);
    if (!text) return std::nullopt;
    auto words = split_words(*text);
    auto pages = field < words.size() ? parse_uint(words[field]) : std::nullopt;
    if (!pages) return std::nullopt;
    return static_cast<double>(*pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<double> open_fds() {
    Result<std::vector<std::string>> names = list_dir("/proc/self/fd");
    if (!names) return std::nullopt;
    return static_cast<double>(names->size() - 1);  // without the one that read the list
}

std::optional<double> max_fds() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return std::nullopt;
    return static_cast<double>(limit.rlim_cur);
}

// Field 22 of /proc/self/stat is the start in ticks after boot; `btime` in /proc/stat is the boot.
std::optional<double> start_time() {
    Result<std::string> stat = read_file("/proc/self/stat", 4096);
    Result<std::string> system = read_file("/proc/stat", 4u << 20);
    if (!stat || !system) return std::nullopt;
    size_t after_name = stat->rfind(')');  // the name may hold anything, a space too
    size_t at = system->find("\nbtime ");
    if (after_name == std::string::npos || at == std::string::npos) return std::nullopt;
    auto fields = split_words(std::string_view(*stat).substr(after_name + 1));
    auto ticks = fields.size() > 19 ? parse_uint(fields[19]) : std::nullopt;
    std::string_view boot_text = std::string_view(*system).substr(at + 7);
    auto boot = parse_uint(boot_text.substr(0, boot_text.find('\n')));
    if (!ticks || !boot) return std::nullopt;
    return static_cast<double>(*boot) +
           static_cast<double>(*ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

std::vector<ProcessStat> process_stats() {
    std::vector<ProcessStat> stats;
    auto add = [&](std::string_view name, std::string_view help, std::string_view type,
                   std::optional<double> value) {
        if (value) stats.push_back({name, help, type, *value});
    };
    add("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", "counter",
        cpu_seconds());
    add("process_max_fds", "Maximum number of open file descriptors.", "gauge", max_fds());
    add("process_open_fds", "Number of open file descriptors.", "gauge", open_fds());
    add("process_resident_memory_bytes", "Resident memory size in bytes.", "gauge", statm_bytes(1));
    add("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
        "gauge", start_time());
    add("process_virtual_memory_bytes", "Virtual memory size in bytes.", "gauge", statm_bytes(0));
    return stats;
}

}  // namespace planetbox
