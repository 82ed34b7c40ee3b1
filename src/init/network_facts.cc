// What network.h reads: the kernel's list of interfaces, and udhcpc's leases.
#include <algorithm>

#include "base/strings.h"
#include "init/network.h"
#include "sys/files.h"

namespace planetbox {

namespace {

std::string read_word(const std::string& path) {
    Result<std::string> text = read_file(path, 4096);
    return text ? std::string(trim(*text)) : "";
}

}  // namespace

std::vector<Interface> list_interfaces(const std::string& sys_dir) {
    std::string base = sys_dir + "/class/net";
    std::vector<std::pair<uint64_t, Interface>> found;
    Result<std::vector<std::string>> names = list_dir(base);
    if (!names) return {};
    for (const std::string& name : *names) {
        std::string dir = str_cat(base, "/", name);
        std::optional<uint64_t> index = parse_uint(read_word(dir + "/ifindex"));
        if (!index) continue;  // bonding_masters and the like
        Interface link;
        link.name = name;
        link.mac = lower_ascii(read_word(dir + "/address"));
        // Ethernet with hardware behind it; the kernel says so by a link called "device".
        link.physical = read_word(dir + "/type") == "1" && file_exists(dir + "/device");
        link.carrier = read_word(dir + "/carrier") == "1";
        found.emplace_back(*index, std::move(link));
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Interface> out;
    for (auto& [index, link] : found) out.push_back(std::move(link));
    return out;
}

Lease parse_lease(std::string_view text) {
    Lease lease;
    std::string_view ip, mask, router;
    for (std::string_view line : split(text, '\n')) {
        auto pair = split_once(trim(line), '=');
        if (!pair) continue;
        auto [key, value] = *pair;
        if (key == "event")
            lease.event = value;
        else if (key == "interface")
            lease.interface = value;
        else if (key == "ip")
            ip = value;
        else if (key == "mask")
            mask = value;
        else if (key == "router")
            router = value;
        else if (key == "hostname" && is_hostname(value))
            lease.hostname = value;
        else if (key == "domain" && is_hostname(value))
            lease.domain = value;
        else if (key == "mtu")
            lease.mtu = static_cast<int>(parse_uint(value).value_or(0) % 65536);
        else if (key == "dns")
            for (std::string_view word : split_words(value))
                if (auto server = IpAddress::parse(word); server && lease.dns.size() < 3)
                    lease.dns.push_back(*server);
    }
    if (lease.event != "bound" && lease.event != "renew") return lease;
    std::optional<IpAddress> address = IpAddress::parse(ip);
    std::optional<uint64_t> prefix = parse_uint(mask);
    if (!address || !address->is_v4() || !prefix || *prefix < 1 || *prefix > 32) return lease;
    lease.address = StaticAddress{*address, static_cast<int>(*prefix), std::nullopt};
    std::vector<std::string_view> routers = split_words(router);
    if (!routers.empty()) {
        std::optional<IpAddress> gateway = IpAddress::parse(routers[0]);
        if (gateway && gateway->is_v4()) lease.address->gateway = gateway;
    }
    return lease;
}

}  // namespace planetbox
