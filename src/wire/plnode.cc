#include "wire/plnode.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "base/strings.h"

namespace planetbox {
namespace {

constexpr size_t kMaxLines = 200;
constexpr size_t kMaxLine = 512;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alnum(char c) { return is_digit(c) || is_alpha(c); }

template <typename Predicate>
bool all(std::string_view text, Predicate predicate) {
    return std::all_of(text.begin(), text.end(), predicate);
}

bool good_id(std::string_view v) { return v.size() <= 10 && v[0] != '0' && all(v, is_digit); }

bool good_key(std::string_view v) {
    return v.size() >= 16 && v.size() <= 128 && all(v, [](char c) {
               return is_alnum(c) || c == '+' || c == '/' || c == '-' || c == '_';
           });
}

bool good_text(std::string_view v) { return v.size() <= 256; }

bool good_mac(std::string_view v) {
    if (v.size() != 17) return false;
    for (size_t i = 0; i < v.size(); ++i) {
        char c = v[i];
        bool fits = i % 3 == 2 ? c == ':' : is_digit(c) || (c >= 'a' && c <= 'f');
        if (!fits) return false;
    }
    return v != "00:00:00:00:00:00" && v != "ff:ff:ff:ff:ff:ff";
}

bool good_method(std::string_view v) { return v == "dhcp" || v == "static"; }

std::optional<uint32_t> parse_v4(std::string_view v) {
    in_addr address;
    if (v.size() > 15 || inet_pton(AF_INET, std::string(v).c_str(), &address) != 1)
        return std::nullopt;
    return ntohl(address.s_addr);
}

bool good_v4(std::string_view v) { return parse_v4(v).has_value(); }

bool good_v6(std::string_view v) {
    in6_addr address;
    return v.size() <= 45 && inet_pton(AF_INET6, std::string(v).c_str(), &address) == 1;
}

bool good_ip(std::string_view v) { return good_v4(v) || good_v6(v); }

bool good_v6_length(std::string_view v) {
    auto parts = split_once(v, '/');
    if (!parts || !good_v6(parts->first) || parts->second.size() > 3) return false;
    auto length = parse_uint(parts->second);
    return length && *length >= 1 && *length <= 128;
}

bool good_netmask(std::string_view v) {
    auto mask = parse_v4(v);
    return mask && std::countl_one(*mask) + std::countr_zero(*mask) >= 32 && *mask != 0;
}

bool good_label(std::string_view v) {
    return !v.empty() && v.size() <= 63 && v.front() != '-' && v.back() != '-' &&
           all(v, [](char c) { return is_alnum(c) || c == '-'; });
}

bool good_name(std::string_view v) {
    if (v.empty() || v.size() > 253) return false;
    auto labels = split(v, '.');
    return all_of(labels.begin(), labels.end(), good_label);
}

// Host, IPv4 or [IPv6], with an optional port.
bool good_host_port(std::string_view v) {
    size_t end = v.starts_with('[') ? v.find(']') : v.find(':');
    if (v.starts_with('[')) {
        if (end == v.npos || !good_v6(v.substr(1, end - 1))) return false;
        v.remove_prefix(end + 1);
    } else {
        if (!good_name(v.substr(0, end))) return false;
        v.remove_prefix(std::min(end, v.size()));
    }
    if (v.empty()) return true;
    auto port = v[0] == ':' && v.size() <= 6 ? parse_uint(v.substr(1)) : std::nullopt;
    return port && *port >= 1 && *port <= 65535;
}

bool good_server(std::string_view v) {
    return v.starts_with("https://") && good_host_port(v.substr(8));
}

bool good_proxy(std::string_view v) {
    if (v.starts_with("http://")) v.remove_prefix(7);
    if (v.ends_with('/')) v.remove_suffix(1);
    return good_host_port(v);
}

struct Key {
    std::string_view name;
    std::string Plnode::* member;
    bool (*good)(std::string_view);
    std::string_view expected;  // for the message
    bool lower = false;
    bool secret = false;
};

// In the order of PlanetLab's own writer.
constexpr Key kKeys[] = {
    {"NODE_ID", &Plnode::node_id, good_id, "a positive number"},
    {"NODE_KEY", &Plnode::node_key, good_key, "16 to 128 characters of base64 without '='", false,
     true},
    {"KEY_RENEWAL_DATE", &Plnode::key_renewal_date, good_text, "at most 256 characters"},
    {"NET_DEVICE", &Plnode::net_device, good_mac, "a MAC address like 52:54:00:12:34:56", true},
    {"IP_METHOD", &Plnode::ip_method, good_method, "dhcp or static", true},
    {"IP_ADDRESS", &Plnode::ip_address, good_v4, "an IPv4 address"},
    {"IP_GATEWAY", &Plnode::ip_gateway, good_v4, "an IPv4 address"},
    {"IP_NETMASK", &Plnode::ip_netmask, good_netmask, "a netmask like 255.255.255.0"},
    {"IP_NETADDR", &Plnode::ip_netaddr, good_v4, "an IPv4 address"},
    {"IP_BROADCASTADDR", &Plnode::ip_broadcastaddr, good_v4, "an IPv4 address"},
    {"IP_DNS1", &Plnode::ip_dns1, good_ip, "an IP address"},
    {"IP_DNS2", &Plnode::ip_dns2, good_ip, "an IP address"},
    {"IP6_ADDRESS", &Plnode::ip6_address, good_v6_length, "an IPv6 address like 2001:db8::5/64"},
    {"IP6_GATEWAY", &Plnode::ip6_gateway, good_v6, "an IPv6 address"},
    {"HOST_NAME", &Plnode::host_name, good_label, "the first label of the host name", true},
    {"DOMAIN_NAME", &Plnode::domain_name, good_name, "a domain name", true},
    {"IPMI_ADDRESS", &Plnode::ipmi_address, good_ip, "an IP address"},
    {"IPMI_MAC", &Plnode::ipmi_mac, good_mac, "a MAC address like 52:54:00:12:34:56", true},
    {"PROXY_SERVER", &Plnode::proxy_server, good_proxy, "http://host:port"},
    {"DISCONNECTED_OPERATION", &Plnode::disconnected_operation, good_text,
     "at most 256 characters"},
    {"BOOT_SERVER", &Plnode::boot_server, good_server, "https://host[:port]"},
};

constexpr std::string_view kOwnPrefixes[] = {"NODE_",   "NET_", "IP_",   "IP6_", "HOST_",
                                             "DOMAIN_", "KEY_", "IPMI_", "BOOT_"};

const Key* find_key(std::string_view name) {
    for (const Key& key : kKeys)
        if (key.name == name) return &key;
    return nullptr;
}

bool is_own(std::string_view name) {
    return std::any_of(std::begin(kOwnPrefixes), std::end(kOwnPrefixes),
                       [name](std::string_view prefix) { return name.starts_with(prefix); });
}

bool good_key_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && !is_digit(name[0]) &&
           all(name, [](char c) { return (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_'; });
}

// What a shell that sources the file would read as the same text, quotes or no quotes.
bool harmless(std::string_view value) {
    return is_utf8(value) && all(value, [](char c) {
               return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '"' && c != '\'' &&
                      c != '\\' && c != '$' && c != '`';
           });
}

Result<std::string_view> unquote(std::string_view raw) {
    if (!raw.empty() && (raw.front() == '"' || raw.front() == '\'')) {
        if (raw.size() < 2 || raw.back() != raw.front())
            return fail(Code::kInvalid, "the closing quote is missing");
        raw = raw.substr(1, raw.size() - 2);
    } else if (!split_words(raw).empty() && split_words(raw).size() > 1) {
        return fail(Code::kInvalid, "a value with spaces needs quotes");
    }
    if (!harmless(raw))
        return fail(Code::kInvalid,
                    "quotes, backslashes, dollar signs and control characters are not allowed");
    return raw;
}

Status set_known(Plnode& node, const Key& key, std::string_view raw) {
    std::string value(trim(raw));
    if (key.lower) value = lower_ascii(value);
    if (value.empty()) return {};
    if (!key.good(value))
        return fail(Code::kInvalid, key.secret ? str_cat("expected ", key.expected)
                                               : str_cat("expected ", key.expected, ", not \"",
                                                         printable(value, 60), "\""));
    node.*key.member = std::move(value);
    return {};
}

Status take_line(Plnode& node, std::string_view line, std::vector<std::string_view>& seen) {
    auto parts = split_once(line, '=');
    if (!parts) return fail(Code::kInvalid, "expected KEY=\"value\"");
    std::string_view name = trim(parts->first);
    if (!good_key_name(name))
        return fail(Code::kInvalid,
                    str_cat("\"", printable(name, 40), "\" is not a key (A-Z, 0-9, _)"));
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
        return fail(Code::kInvalid, str_cat(name, " is there twice"));
    seen.push_back(name);
    std::string_view value = TRY_CONTEXT(unquote(trim(parts->second)), name);
    if (const Key* key = find_key(name)) {
        Status set = set_known(node, *key, value);
        if (!set) return fail(std::move(set.error()).context(name));
        return {};
    }
    if (is_own(name))
        return fail(Code::kInvalid,
                    str_cat(name, " is not a key of plnode.txt; check its spelling"));
    node.extra.emplace_back(name, value);
    return {};
}

Status check_network(const Plnode& node) {
    auto address = parse_v4(node.ip_address), gateway = parse_v4(node.ip_gateway),
         mask = parse_v4(node.ip_netmask);
    if (!address || !gateway || !mask)
        return fail(Code::kInvalid, "IP_METHOD static needs IP_ADDRESS, IP_GATEWAY and IP_NETMASK");
    uint32_t network = *address & *mask, broadcast = network | ~*mask;
    if ((*gateway & *mask) != network)
        return fail(Code::kInvalid, str_cat("IP_GATEWAY ", node.ip_gateway,
                                            " is outside the network of IP_ADDRESS ",
                                            node.ip_address, " with IP_NETMASK ", node.ip_netmask));
    // A /31 has no network or broadcast address (RFC 3021).
    if (~*mask > 1 && (*address == network || *address == broadcast))
        return fail(Code::kInvalid, str_cat("IP_ADDRESS ", node.ip_address,
                                            " is the network's own or broadcast address"));
    if (auto given = parse_v4(node.ip_netaddr); given && *given != network)
        return fail(Code::kInvalid, "IP_NETADDR does not agree with IP_ADDRESS and IP_NETMASK");
    if (auto given = parse_v4(node.ip_broadcastaddr); given && *given != broadcast)
        return fail(Code::kInvalid,
                    "IP_BROADCASTADDR does not agree with IP_ADDRESS and IP_NETMASK");
    return {};
}

std::string v4_text(uint32_t address) {
    return strf("%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
                address & 255);
}

// "addr/len,gw[,dns1[,dns2]]" → its parts; at least two, at most four.
Result<std::vector<std::string_view>> epoxy_parts(std::string_view text) {
    auto parts = split(text, ',');
    if (parts.size() < 2 || parts.size() > 4 || text.size() > 256)
        return fail(Code::kInvalid, str_cat("\"", printable(text, 80),
                                            "\": expected addr/len,gateway[,dns1[,dns2]]"));
    return parts;
}

std::string with_dns(std::string text, const Plnode& node) {
    for (const std::string* dns : {&node.ip_dns1, &node.ip_dns2})
        if (!dns->empty()) text.append(",").append(*dns);
    return text;
}

Status set_dns(Plnode& node, const std::vector<std::string_view>& parts) {
    std::string Plnode::* members[] = {&Plnode::ip_dns1, &Plnode::ip_dns2};
    for (size_t i = 2; i < parts.size(); ++i) {
        if (!parts[i].empty() && !good_ip(parts[i]))
            return fail(Code::kInvalid,
                        str_cat("\"", printable(parts[i], 60), "\" is not an IP address"));
        node.*members[i - 2] = parts[i];
    }
    return {};
}

// `line_prefix` and `file` are what messages begin with; empty for values that came from elsewhere.
Result<Plnode> parse(std::string_view text, std::string_view line_prefix, std::string_view file) {
    if (text.size() > kPlnodeLimit)
        return fail(Code::kTooLarge, "plnode.txt is larger than 16 KiB");
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    auto with_place = [](Error error, const std::string& place) {
        return fail(place.empty() ? std::move(error) : std::move(error).context(place));
    };
    Plnode node;
    std::vector<std::string_view> lines = split(text, '\n'), seen;
    if (lines.size() > kMaxLines) return fail(Code::kTooLarge, "plnode.txt has over 200 lines");
    for (size_t i = 0; i < lines.size(); ++i) {
        std::string place;
        if (!line_prefix.empty()) place = str_cat(line_prefix, std::to_string(i + 1));
        if (lines[i].size() > kMaxLine)
            return with_place(Error(Code::kTooLarge, "longer than 512 bytes"), place);
        std::string_view line = trim(lines[i]);
        if (line.empty() || line[0] == '#') continue;
        Status taken = take_line(node, line, seen);
        if (!taken) return with_place(std::move(taken.error()), place);
    }
    Status checked = check_plnode(node);
    if (!checked) return with_place(std::move(checked.error()), std::string(file));
    return node;
}

}  // namespace

Result<Plnode> parse_plnode(std::string_view text) {
    return parse(text, "plnode.txt line ", "plnode.txt");
}

Status check_plnode(const Plnode& node) {
    if (node.host_name.empty())
        return fail(Code::kInvalid, "HOST_NAME is missing: the node does not know who it is");
    if (plnode_hostname(node).size() > 253)
        return fail(Code::kInvalid, "HOST_NAME and DOMAIN_NAME are too long together");
    if (node.ip6_gateway.empty() != node.ip6_address.empty() && node.ip6_address.empty())
        return fail(Code::kInvalid, "IP6_GATEWAY needs IP6_ADDRESS");
    if (node.ip_method == "static") return check_network(node);
    return {};
}

Result<std::string> write_plnode(const Plnode& node) {
    std::string text;
    for (const Key& key : kKeys)
        if (const std::string& value = node.*key.member; !value.empty())
            text += str_cat(key.name, "=\"", value, "\"\n");
    for (const auto& [name, value] : node.extra) text += str_cat(name, "=\"", value, "\"\n");
    Plnode again = TRY(parse(text, "", ""));
    if (again != node)
        return fail(Code::kInvalid,
                    "a value of plnode.txt is not in its plain form (lower case, "
                    "no spaces around it)");
    return text;
}

std::string plnode_hostname(const Plnode& node) {
    if (node.domain_name.empty()) return node.host_name;
    return str_cat(node.host_name, ".", node.domain_name);
}

void set_plnode_hostname(Plnode& node, std::string_view hostname) {
    std::string lower = lower_ascii(hostname);
    auto parts = split_once(lower, '.');
    node.host_name = parts ? parts->first : std::string_view(lower);
    node.domain_name = parts ? parts->second : std::string_view();
}

std::string plnode_epoxy_ipv4(const Plnode& node) {
    auto mask = parse_v4(node.ip_netmask);
    if (node.ip_method != "static" || !mask) return "";
    return with_dns(
        strf("%s/%d,%s", node.ip_address.c_str(), std::countl_one(*mask), node.ip_gateway.c_str()),
        node);
}

std::string plnode_epoxy_ipv6(const Plnode& node) {
    if (node.ip6_address.empty()) return "";
    return with_dns(str_cat(node.ip6_address, ",", node.ip6_gateway), node);
}

Status set_plnode_epoxy_ipv4(Plnode& node, std::string_view text) {
    auto parts = TRY(epoxy_parts(text));
    auto net = split_once(parts[0], '/');
    auto address = net ? parse_v4(net->first) : std::nullopt;
    auto length = net ? parse_uint(net->second) : std::nullopt;
    if (!address || !length || *length < 1 || *length > 32 || !good_v4(parts[1]))
        return fail(Code::kInvalid, str_cat("\"", printable(text, 80),
                                            "\": expected addr/len,gateway[,dns1[,dns2]]"));
    uint32_t mask = ~uint32_t{0} << (32 - *length);
    TRY(set_dns(node, parts));
    node.ip_method = "static";
    node.ip_address = net->first;
    node.ip_gateway = parts[1];
    node.ip_netmask = v4_text(mask);
    node.ip_netaddr = v4_text(*address & mask);
    node.ip_broadcastaddr = v4_text(*address | ~mask);
    return check_network(node);
}

Status set_plnode_epoxy_ipv6(Plnode& node, std::string_view text) {
    auto parts = TRY(epoxy_parts(text));
    if (!good_v6_length(parts[0]) || (!parts[1].empty() && !good_v6(parts[1])))
        return fail(Code::kInvalid, str_cat("\"", printable(text, 80),
                                            "\": expected addr/len,gateway[,dns1[,dns2]]"));
    TRY(set_dns(node, parts));
    node.ip6_address = parts[0];
    node.ip6_gateway = parts[1];
    return {};
}

}  // namespace planetbox
