// Changes to host records, as bootadm and inventories express them: what is absent stays as it is.
//
// Pure functions; the texts of errors name the value and the remedy.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "boot/host.h"

namespace planetbox {

struct HostChange {
    std::optional<std::string> ipv4, ipv6, mac;  // "" clears
    std::optional<std::string> boot_state, auth, images_version;
    std::optional<bool> update_enabled;
    std::optional<std::vector<std::string>> extensions;
    // "address/length,gateway,dns1,dns2", IPv4 or IPv6: sets the address, too.  "dhcp" clears both.
    std::vector<std::string> networks;
    std::map<std::string, std::string> boot, update;  // stage → URL, "" removes the stage
};

Status apply_change(const HostChange& change, Host* host);
// "ipv4: 192.0.2.1 → 192.0.2.2", one for each difference that an operator can make.
std::vector<std::string> describe_difference(const Host& before, const Host& after);

// Names that match a POSIX extended regular expression somewhere, as ePoxy's tool does.
Result<std::vector<Host>> match_hosts(const std::vector<Host>& hosts, const std::string& regex);

// An inventory: a JSON array of objects, or an object with such an array as "hosts" or "nodes".
// Each object names a host ("hostname" or "name") and may hold ipv4 (also "address", "IPv4Addr"),
// ipv6, mac, state, auth, images_version, update, extensions, network.  An address may carry a
// prefix length, which is dropped. Other members are ignored, so that other programs' inventories
// can be used as they are.
struct InventoryEntry {
    std::string hostname;
    HostChange change;
};
Result<std::vector<InventoryEntry>> parse_inventory(std::string_view json);

struct InventoryPlan {
    std::vector<Host> add;
    std::vector<std::pair<Host, Host>> change;  // before, after
    std::vector<Host> remove;                   // on record, not in the inventory
};
Result<InventoryPlan> plan_sync(const std::vector<Host>& known,
                                const std::vector<InventoryEntry>& inventory);

}  // namespace planetbox
