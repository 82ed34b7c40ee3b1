// What bootd counts.  ePoxy's four names with its labels, and ours for every route.
#pragma once

#include <map>
#include <string_view>
#include <utility>

#include "metrics/metrics.h"

namespace planetbox {

struct BootMetrics {
    explicit BootMetrics(Registry& registry);

    Counter& stage1_total;        // epoxy_stage1_total{machine}
    Histogram& stage1_duration;   // epoxy_request_duration_seconds{code}: stage1.ipxe only
    Gauge& last_boot;             // epoxy_last_boot{machine}
    Gauge& last_success;          // epoxy_last_success{machine}
    Histogram& request_duration;  // bootd_request_duration_seconds{route,code}
    Counter& sent_bytes;          // bootd_sent_bytes_total{route}
    Counter& tokens_refused;      // bootd_tokens_refused_total{reason}
    Counter& stage1_refused;      // bootd_stage1_refused_total{reason}
    Counter& reports;             // bootd_reports_total{result}
    Counter& extensions;          // bootd_extension_requests_total{operation,code}
    Gauge& hosts;                 // bootd_hosts{status}
    // Raised at each scrape to what others have counted.
    Gauge& connections;          // bootd_connections
    Counter& connections_total;  // bootd_connections_total
    Counter& handshakes_total;   // bootd_tls_handshakes_total
    Counter& tls_failures;       // bootd_tls_handshake_failures_total{reason}
    Counter& requests_refused;   // bootd_requests_refused_total{reason}
    Counter& proxy;              // bootd_storage_proxy_requests_total{result}

    void raise_to(Counter& counter, const LabelValues& labels, double total);

private:
    std::map<std::pair<Counter*, LabelValues>, double> seen_;
};

}  // namespace planetbox
