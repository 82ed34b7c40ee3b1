// What Prometheus clients tell of their own process, by the names they all use.
#pragma once

#include <string_view>
#include <vector>

namespace planetbox {

struct ProcessStat {
    std::string_view name, help, type;
    double value;
};

// Reads /proc/self; what cannot be read (no /proc) is left out.
std::vector<ProcessStat> process_stats();

}  // namespace planetbox
