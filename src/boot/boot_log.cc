#include "boot/boot_log.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/strings.h"
#include "wire/failure_code.h"

namespace planetbox {

std::string log_text(const std::vector<BootEvent>& events) {
    std::string out;
    int64_t boot_start = 0;
    for (const BootEvent& event : events) {
        if (event.kind == "stage1") {
            if (!out.empty()) out += "\n";
            boot_start = event.at_ms;
        }
        std::string time = rfc3339(from_unix_seconds(event.at_ms / 1000));
        time = replace_all(replace_all(time, "T", " "), "Z", "");
        const bool within = boot_start != 0 && event.at_ms - boot_start < 24 * 3600'000;
        const std::string since =
            within ? strf("+%.1fs", double(event.at_ms - boot_start) / 1000) : std::string();
        out += strf("%s %9s  %-9s %-15s  %s\n", time.c_str(), since.c_str(), event.kind.c_str(),
                    event.address.empty() ? "-" : event.address.c_str(), event.detail.c_str());
        const std::optional<FailureCode> failure = find_failure_code(event.code);
        if (failure)
            out +=
                strf("%32s%s: %s %s\n", "", event.code.c_str(),
                     std::string(failure->sentence).c_str(), std::string(failure->remedy).c_str());
    }
    return out;
}

std::string log_json(const std::string& hostname, const std::vector<BootEvent>& events) {
    json::Writer writer(4);
    writer.begin_object().field("hostname", hostname).key("events").begin_array();
    for (const BootEvent& event : events) {
        writer.begin_object().field("seq", event.seq).field("at_ms", event.at_ms);
        writer.field("at", rfc3339(from_unix_seconds(event.at_ms / 1000)));
        writer.field("kind", event.kind).field("address", event.address);
        writer.field("detail", event.detail);
        if (const auto failure = find_failure_code(event.code)) {
            writer.field("code", event.code).field("meaning", failure->sentence);
            writer.field("remedy", failure->remedy);
        }
        writer.end_object();
    }
    writer.end_array().end_object();
    return writer.take();
}

}  // namespace planetbox
