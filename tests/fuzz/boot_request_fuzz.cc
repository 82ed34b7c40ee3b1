// What anybody may send to bootd before it knows who asks: paths, facts, report messages; and the
// texts made from them. The first byte chooses.
#include <cstdlib>

#include "base/strings.h"
#include "boot/action.h"
#include "boot/boot_service.h"
#include "boot/host_edit.h"
#include "boot/route.h"
#include "boot/stage_script.h"

using namespace planetbox;

static void fuzz_path(std::string_view text) {
    const BootRoute route = parse_boot_route(text);
    (void)route_allows(route.kind, "GET");
    if (is_storage_path(route.path) &&
        (route.path.find("//") != route.path.npos || route.path.starts_with("../") ||
         route.path.find("/../") != route.path.npos))
        abort();
    const auto name = normal_hostname(route.hostname);
    if (name && *normal_hostname(*name) != *name) abort();
}

static void fuzz_facts(std::string_view text) {
    const auto fields = parse_form(text);
    if (!fields) return;
    FormFields facts;
    for (const auto& [name, value] : *fields) collect_fact(&facts, name, value);
    for (const auto& [name, value] : facts)
        if (!is_utf8(value) || value.size() > 2048) abort();
}

static void fuzz_message(std::string_view text) {
    const std::string scrubbed = scrub_message(text);
    if (scrubbed.size() > 4 * 2048 + 3) abort();
    const std::string script = message_ipxe({std::string(text)}, 1);
    if (script.find("${") != script.npos || script.find("&&") != script.npos) abort();
    for (unsigned char c : script)
        if (c != '\n' && c < ' ') abort();
}

static void fuzz_action(std::string_view text) {
    const auto lookup = [](std::string_view) { return std::optional<std::string>("00"); };
    const std::string once = fill_action_hashes(text, lookup);
    if (fill_action_hashes(once, lookup) != once) abort();
}

static void fuzz_inventory(std::string_view text) {
    const auto inventory = parse_inventory(text);
    if (!inventory) return;
    const auto plan = plan_sync({}, *inventory);
    if (!plan) return;
    const auto again = plan_sync(plan->add, *inventory);
    if (!again || !again->change.empty() || !again->add.empty()) abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0]) {
        case 'p':
            fuzz_path(text);
            break;
        case 'f':
            fuzz_facts(text);
            break;
        case 'm':
            fuzz_message(text);
            break;
        case 'a':
            fuzz_action(text);
            break;
        default:
            fuzz_inventory(text);
    }
    return 0;
}
