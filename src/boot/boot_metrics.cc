#include "boot/boot_metrics.h"

namespace planetbox {

static constexpr size_t kMaxHosts = 100'000;

BootMetrics::BootMetrics(Registry& r)
    : stage1_total(
          r.counter("epoxy_stage1_total", "Stage 1 requests answered, by machine.", {"machine"})),
      stage1_duration(r.histogram("epoxy_request_duration_seconds",
                                  "Time to answer stage1.ipxe, by status code.", {"code"},
                                  default_buckets())),
      last_boot(
          r.gauge("epoxy_last_boot", "Unix time of the last stage 1, by machine.", {"machine"})),
      last_success(r.gauge("epoxy_last_success",
                           "Unix time of the last reported success, by machine.", {"machine"})),
      request_duration(
          r.histogram("bootd_request_duration_seconds",
                      "Time from a request's first byte to its answer's last, by route.",
                      {"route", "code"}, default_buckets())),
      sent_bytes(
          r.counter("bootd_sent_bytes_total", "Bytes of answers sent, by route.", {"route"})),
      tokens_refused(
          r.counter("bootd_tokens_refused_total", "Session ids refused, by reason.", {"reason"})),
      stage1_refused(r.counter("bootd_stage1_refused_total", "Stage 1 requests refused, by reason.",
                               {"reason"})),
      reports(r.counter("bootd_reports_total", "Reports taken, by result.", {"result"})),
      extensions(r.counter("bootd_extension_requests_total",
                           "Extension requests answered, by operation and status code.",
                           {"operation", "code"})),
      hosts(r.gauge("bootd_hosts", "Hosts on record, by where their latest boot stands.",
                    {"status"})),
      connections(r.gauge("bootd_connections", "Open connections.")),
      connections_total(r.counter("bootd_connections_total", "Connections accepted.")),
      handshakes_total(r.counter("bootd_tls_handshakes_total", "TLS handshakes completed.")),
      tls_failures(r.counter("bootd_tls_handshake_failures_total",
                             "TLS handshakes that failed, by reason.", {"reason"})),
      requests_refused(r.counter(
          "bootd_requests_refused_total",
          "Requests and connections refused before a handler saw them, by reason.", {"reason"})),
      proxy(r.counter("bootd_storage_proxy_requests_total",
                      "Storage proxy requests, by how they were answered.", {"result"})) {
    // One series a host on record.
    for (Gauge* gauge : {&last_boot, &last_success}) gauge->allow_series(kMaxHosts);
    stage1_total.allow_series(kMaxHosts);
}

void BootMetrics::raise_to(Counter& counter, const LabelValues& labels, double total) {
    double& seen = seen_[{&counter, labels}];
    if (total > seen) counter.add(labels, total - seen);
    seen = total;
}

}  // namespace planetbox
