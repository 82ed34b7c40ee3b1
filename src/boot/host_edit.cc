#include "boot/host_edit.h"

#include <regex.h>

#include <algorithm>
#include <set>

#include "base/strings.h"

namespace planetbox {
namespace {

Status set_address(const std::string& text, bool v4, std::string* target) {
    if (text.empty()) {
        target->clear();
        return {};
    }
    *target = TRY_CONTEXT(normal_address(text, v4), v4 ? "IPv4 address" : "IPv6 address");
    return {};
}

Status set_network(const std::string& text, Host* host) {
    if (text == "dhcp") {
        host->network = {};
        return {};
    }
    const auto refuse = [&] {
        return fail(Code::kInvalid, "network '" + printable(text) +
                                        "': must be address/length,gateway[,dns1[,dns2]], or dhcp");
    };
    const std::vector<std::string_view> parts = split(text, ',');
    const auto slash = split_once(parts[0], '/');
    if (!slash || parts.size() < 2 || parts.size() > 4) return refuse();
    const std::optional<IpAddress> address = IpAddress::parse(slash->first);
    const std::optional<IpAddress> gateway = IpAddress::parse(parts[1]);
    const std::optional<uint64_t> length = parse_uint(slash->second);
    if (!address || !length || *length == 0 || !gateway || gateway->is_v4() != address->is_v4())
        return refuse();
    const bool v4 = address->is_v4();
    (v4 ? host->ipv4 : host->ipv6) = address->text();
    (v4 ? host->network.ipv4_prefix : host->network.ipv6_prefix) =
        int(std::min<uint64_t>(*length, 999));
    (v4 ? host->network.ipv4_gateway : host->network.ipv6_gateway) = gateway->text();
    if (parts.size() > 2) host->network.dns.clear();
    for (size_t i = 2; i < parts.size(); ++i) host->network.dns.emplace_back(parts[i]);
    return {};
}

Status set_urls(const std::map<std::string, std::string>& urls, Sequence* sequence) {
    for (const auto& [stage, url] : urls) {
        if (url.empty()) {
            sequence->erase(stage);
            continue;
        }
        TRY_CONTEXT(check_stage_url(url), stage);
        (*sequence)[stage] = url;
    }
    return {};
}

std::string sequence_words(const Sequence& sequence) {
    return sequence.empty() ? "built-in" : sequence_json(sequence);
}

std::string without_prefix_length(std::string_view text) {
    const auto slash = split_once(text, '/');
    return std::string(slash ? slash->first : text);
}

// The first of these members that is a string and not empty.
std::optional<std::string> member(json::Value object,
                                  std::initializer_list<std::string_view> names) {
    for (std::string_view name : names) {
        const std::optional<std::string_view> text = object[name].as_string();
        if (text && !text->empty()) return std::string(*text);
    }
    return std::nullopt;
}

Result<InventoryEntry> parse_entry(json::Value object) {
    InventoryEntry entry;
    const std::optional<std::string> name = member(object, {"hostname", "name", "Name"});
    if (!name) return fail(Code::kInvalid, "a host without a \"hostname\"");
    entry.hostname = TRY(normal_hostname(*name));
    HostChange& change = entry.change;
    change.ipv4 = member(object, {"ipv4", "address", "IPv4Addr"});
    change.ipv6 = member(object, {"ipv6", "IPv6Addr"});
    if (change.ipv4) change.ipv4 = without_prefix_length(*change.ipv4);
    if (change.ipv6) change.ipv6 = without_prefix_length(*change.ipv6);
    change.mac = member(object, {"mac", "MAC"});
    change.boot_state = member(object, {"state", "boot_state", "BootState"});
    change.auth = member(object, {"auth"});
    change.images_version = member(object, {"images_version", "ImagesVersion"});
    change.update_enabled = object["update"].as_bool();
    if (object["extensions"].is_array()) {
        change.extensions.emplace();
        for (json::Value operation : object["extensions"].items())
            change.extensions->emplace_back(operation.string_or(""));
    }
    if (auto network = object["network"].as_string()) change.networks.emplace_back(*network);
    for (json::Value network : object["network"].items())
        change.networks.emplace_back(network.string_or(""));
    return entry;
}

}  // namespace

Status apply_change(const HostChange& change, Host* host) {
    if (change.ipv4) TRY(set_address(*change.ipv4, true, &host->ipv4));
    if (change.ipv6) TRY(set_address(*change.ipv6, false, &host->ipv6));
    if (change.mac) host->mac = change.mac->empty() ? "" : TRY(normal_mac(*change.mac));
    if (change.boot_state) host->boot_state = TRY(parse_boot_state(*change.boot_state));
    if (change.auth) host->auth = TRY(parse_auth_policy(*change.auth));
    if (change.images_version) {
        if (!is_plain_word(*change.images_version))
            return fail(Code::kInvalid, "images version '" + printable(*change.images_version) +
                                            "': letters, digits and . _ + -");
        host->images_version = *change.images_version;
    }
    if (change.update_enabled) host->update_enabled = *change.update_enabled;
    if (change.extensions) {
        std::set<std::string> operations(change.extensions->begin(), change.extensions->end());
        operations.erase("");
        for (const std::string& operation : operations)
            if (!is_plain_word(operation))
                return fail(Code::kInvalid, "extension '" + printable(operation) +
                                                "': letters, digits and . _ + -");
        host->extensions.assign(operations.begin(), operations.end());
    }
    for (const std::string& network : change.networks) TRY(set_network(network, host));
    TRY_CONTEXT(set_urls(change.boot, &host->boot), "boot sequence");
    TRY_CONTEXT(set_urls(change.update, &host->update), "update sequence");
    return check_network(*host);
}

std::vector<std::string> describe_difference(const Host& before, const Host& after) {
    std::vector<std::string> lines;
    const auto compare = [&](std::string_view name, std::string_view old, std::string_view now) {
        if (old != now)
            lines.push_back(
                str_cat(name, ": ", old.empty() ? "-" : old, " → ", now.empty() ? "-" : now));
    };
    compare("ipv4", before.ipv4, after.ipv4);
    compare("ipv6", before.ipv6, after.ipv6);
    compare("mac", before.mac, after.mac);
    compare("state", boot_state_name(before.boot_state), boot_state_name(after.boot_state));
    compare("auth", auth_policy_name(before.auth), auth_policy_name(after.auth));
    compare("images", before.images_version, after.images_version);
    compare("update", before.update_enabled ? "on" : "off", after.update_enabled ? "on" : "off");
    compare("extensions", join(before.extensions, ","), join(after.extensions, ","));
    compare("network", before.epoxy_ipv4(), after.epoxy_ipv4());
    compare("network6", before.epoxy_ipv6(), after.epoxy_ipv6());
    compare("boot sequence", sequence_words(before.boot), sequence_words(after.boot));
    compare("update sequence", sequence_words(before.update), sequence_words(after.update));
    return lines;
}

Result<std::vector<Host>> match_hosts(const std::vector<Host>& hosts, const std::string& regex) {
    regex_t compiled;
    const int code = regcomp(&compiled, regex.c_str(), REG_EXTENDED | REG_ICASE | REG_NOSUB);
    if (code != 0) {
        char why[128];
        regerror(code, &compiled, why, sizeof why);
        return fail(Code::kInvalid, "regular expression '" + printable(regex) + "': " + why);
    }
    std::vector<Host> matching;
    for (const Host& host : hosts)
        if (regexec(&compiled, host.hostname.c_str(), 0, nullptr, 0) == 0) matching.push_back(host);
    regfree(&compiled);
    return matching;
}

Result<std::vector<InventoryEntry>> parse_inventory(std::string_view text) {
    const json::Document document = TRY(json::parse(text));
    json::Value list = document.root();
    for (std::string_view name : {"hosts", "nodes"})
        if (list.is_object() && list[name].is_array()) list = list[name];
    if (!list.is_array())
        return fail(Code::kInvalid,
                    "must be a JSON array of hosts, [{\"hostname\": …, \"ipv4\": …}, …]");
    std::vector<InventoryEntry> entries;
    std::set<std::string> seen;
    for (json::Value object : list.items()) {
        const std::string place = strf("host %zu", entries.size() + 1);
        InventoryEntry entry = TRY_CONTEXT(parse_entry(object), place);
        if (!seen.insert(entry.hostname).second)
            return fail(Code::kInvalid, place + ": " + entry.hostname + " is there twice");
        entries.push_back(std::move(entry));
    }
    return entries;
}

Result<InventoryPlan> plan_sync(const std::vector<Host>& known,
                                const std::vector<InventoryEntry>& inventory) {
    InventoryPlan plan;
    std::map<std::string_view, const Host*> by_name;
    for (const Host& host : known) by_name[host.hostname] = &host;
    std::set<std::string_view> wanted;
    for (const InventoryEntry& entry : inventory) {
        wanted.insert(entry.hostname);
        const auto found = by_name.find(entry.hostname);
        Host after = found == by_name.end() ? Host() : *found->second;
        after.hostname = entry.hostname;
        TRY_CONTEXT(apply_change(entry.change, &after), entry.hostname);
        if (found == by_name.end())
            plan.add.push_back(std::move(after));
        else if (!describe_difference(*found->second, after).empty())
            plan.change.emplace_back(*found->second, std::move(after));
    }
    for (const Host& host : known)
        if (!wanted.contains(host.hostname)) plan.remove.push_back(host);
    return plan;
}

}  // namespace planetbox
