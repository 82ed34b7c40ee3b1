#include "init/network_config.h"

#include <algorithm>

#include "base/strings.h"
#include "wire/plnode.h"

namespace planetbox {

namespace {

std::unexpected<Error> bad(std::string_view what, std::string_view value) {
    return fail(Code::kInvalid, str_cat(what, " \"", printable(value, 60), "\""));
}

// "255.255.255.0" or "24".
std::optional<int> parse_mask(std::string_view text, bool v4) {
    if (auto length = parse_uint(text)) {
        if (*length > (v4 ? 32u : 128u)) return std::nullopt;
        return static_cast<int>(*length);
    }
    std::optional<IpAddress> mask = IpAddress::parse(text);
    if (!v4 || !mask || !mask->is_v4()) return std::nullopt;
    uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) bits = bits << 8 | mask->bytes()[i];
    int length = 0;
    while (length < 32 && (bits & (0x80000000u >> length))) ++length;
    bool holes = length < 32 && (bits << length) != 0;
    if (holes) return std::nullopt;
    return length;
}

Status add_dns(std::string_view text, NetworkConfig& config) {
    if (text.empty()) return {};
    std::optional<IpAddress> server = IpAddress::parse(text);
    if (!server) return bad("bad name server", text);
    if (std::find(config.dns.begin(), config.dns.end(), *server) == config.dns.end())
        config.dns.push_back(*server);
    return {};
}

Result<std::optional<IpAddress>> parse_gateway(std::string_view text, bool v4) {
    if (text.empty()) return std::optional<IpAddress>();
    std::optional<IpAddress> gateway = IpAddress::parse(text);
    if (!gateway || gateway->is_v4() != v4) return bad("bad gateway", text);
    return gateway;
}

// Splits at ':' outside of [brackets], and takes the brackets off.
std::vector<std::string> split_ip_fields(std::string_view text) {
    std::vector<std::string> fields(1);
    bool inside = false;
    for (char c : text) {
        if (c == '[')
            inside = true;
        else if (c == ']')
            inside = false;
        else if (c == ':' && !inside)
            fields.emplace_back();
        else
            fields.back() += c;
    }
    return fields;
}

std::optional<std::string_view> find(const Kargs& kargs, std::string_view name) {
    auto found = kargs.find(name);
    if (found == kargs.end()) return std::nullopt;
    return found->second;
}

bool is_method(std::string_view word) {
    static constexpr std::string_view kMethods[] = {"dhcp", "on",    "any",   "both",   "bootp",
                                                    "rarp", "dhcp6", "auto6", "either6"};
    return std::find(std::begin(kMethods), std::end(kMethods), word) != std::end(kMethods);
}

bool is_no_method(std::string_view word) {
    return word.empty() || word == "off" || word == "none" || word == "static";
}

Status take_interface(std::string_view name, NetworkConfig& config) {
    if (name.empty()) return {};
    if (!is_interface_name(name)) return bad("bad interface name", name);
    config.interface = name;
    return {};
}

}  // namespace

std::string StaticAddress::text() const { return str_cat(address.text(), strf("/%d", prefix)); }

bool is_hostname(std::string_view text) {
    if (text.empty() || text.size() > 64 || text.front() == '-' || text.front() == '.')
        return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '.' || c == '_';
    });
}

bool is_interface_name(std::string_view text) {
    if (text.empty() || text.size() > 15 || text == "." || text == "..") return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c > ' ' && c < 127 && c != '/' && c != ':'; });
}

Status parse_epoxy_address(std::string_view text, bool want_v4, NetworkConfig& config) {
    std::vector<std::string_view> fields = split(trim(text), ',');
    if (fields.size() > 4) return bad("too many commas in", text);
    auto halves = split_once(fields[0], '/');
    if (!halves) return bad("wants addr/len,gateway,dns1,dns2, not", text);
    std::optional<IpAddress> address = IpAddress::parse(halves->first);
    if (!address || address->is_v4() != want_v4) return bad("bad address", halves->first);
    std::optional<int> prefix = parse_mask(halves->second, want_v4);
    if (!prefix || *prefix == 0) return bad("bad prefix length", halves->second);
    StaticAddress found{*address, *prefix, std::nullopt};
    if (fields.size() > 1) found.gateway = TRY(parse_gateway(fields[1], want_v4));
    for (size_t i = 2; i < fields.size(); ++i) TRY(add_dns(fields[i], config));
    (want_v4 ? config.v4 : config.v6) = found;
    return {};
}

// addr:server:gw:mask:host:device:method:dns1:dns2:ntp; or one word; or device:method.
Status parse_kernel_ip(std::string_view text, NetworkConfig& config) {
    std::vector<std::string> fields = split_ip_fields(trim(text));
    if (fields.size() == 1) {
        if (is_method(fields[0]) || is_no_method(fields[0])) return {};
        return bad("is neither a method nor addr::gw:mask:host:device:off:", text);
    }
    if (fields.size() <= 3 && is_method(fields[1])) return take_interface(fields[0], config);
    fields.resize(std::max<size_t>(fields.size(), 9));
    TRY(take_interface(fields[5], config));
    if (!fields[4].empty()) {
        if (!is_hostname(fields[4])) return bad("bad host name", fields[4]);
        config.hostname = fields[4];
    }
    if (!is_method(fields[6]) && !is_no_method(fields[6])) return bad("unknown method", fields[6]);
    TRY(add_dns(fields[7], config));
    TRY(add_dns(fields[8], config));
    if (fields[0].empty()) {
        if (is_no_method(fields[6]) && !fields[6].empty())
            return bad("has no address and no method to get one:", text);
        return {};
    }
    std::optional<IpAddress> address = IpAddress::parse(fields[0]);
    if (!address) return bad("bad address", fields[0]);
    std::optional<int> prefix = parse_mask(fields[3], address->is_v4());
    if (!prefix || *prefix == 0) return bad("bad netmask", fields[3]);
    StaticAddress found{*address, *prefix, TRY(parse_gateway(fields[2], address->is_v4()))};
    (address->is_v4() ? config.v4 : config.v6) = found;
    return {};
}

namespace {

Status from_epoxy(const Kargs& kargs, NetworkConfig& config) {
    if (auto v4 = find(kargs, "epoxy.ipv4"); v4 && !trim(*v4).empty()) {
        TRY_CONTEXT(parse_epoxy_address(*v4, true, config), "epoxy.ipv4");
        config.source = "epoxy.ipv4";
    }
    if (auto v6 = find(kargs, "epoxy.ipv6")) {
        config.v6_off = trim(*v6).empty();
        if (!config.v6_off) {
            TRY_CONTEXT(parse_epoxy_address(*v6, false, config), "epoxy.ipv6");
            if (config.source.empty()) config.source = "epoxy.ipv6";
        }
    }
    for (std::string_view name : {"epoxy.ip", "ip"}) {
        auto value = find(kargs, name);
        if (config.v4 || !value || trim(*value).empty()) continue;
        std::optional<StaticAddress> v6 = config.v6;
        TRY_CONTEXT(parse_kernel_ip(*value, config), name);
        if (v6) config.v6 = v6;
        if (config.source.empty() && !config.dhcp()) config.source = name;
    }
    return {};
}

Status from_plnode(std::string_view text, NetworkConfig& config) {
    Plnode node = TRY(parse_plnode(text));
    if (config.mac.empty()) config.mac = node.net_device;
    if (std::string name = plnode_hostname(node); config.hostname.empty() && is_hostname(name))
        config.hostname = name;
    if (!config.dhcp()) return {};
    if (std::string v4 = plnode_epoxy_ipv4(node); !v4.empty())
        TRY_CONTEXT(parse_epoxy_address(v4, true, config), "plnode.txt");
    if (std::string v6 = plnode_epoxy_ipv6(node); !v6.empty())
        TRY_CONTEXT(parse_epoxy_address(v6, false, config), "plnode.txt");
    if (!config.dhcp()) config.source = "plnode.txt";
    return {};
}

}  // namespace

Result<NetworkConfig> network_config(const Kargs& kargs, std::string_view plnode_text) {
    NetworkConfig config;
    if (auto name = find(kargs, "epoxy.interface"); name && !name->empty())
        TRY_CONTEXT(take_interface(*name, config), "epoxy.interface");
    std::string chosen = config.interface;
    TRY(from_epoxy(kargs, config));
    if (!chosen.empty()) config.interface = chosen;
    if (auto host = find(kargs, "epoxy.hostname"); host && !host->empty()) {
        if (!is_hostname(*host)) return bad("epoxy.hostname: bad host name", *host);
        config.hostname = *host;
    }
    if (!plnode_text.empty()) TRY(from_plnode(plnode_text, config));
    if (config.source.empty()) config.source = "DHCP";
    return config;
}

std::string resolv_conf(const std::vector<IpAddress>& dns, std::string_view domain) {
    std::string out;
    if (is_hostname(domain)) out += str_cat("search ", domain, "\n");
    for (size_t i = 0; i < dns.size() && i < 3; ++i)
        out += str_cat("nameserver ", dns[i].text(), "\n");
    return out;
}

}  // namespace planetbox
