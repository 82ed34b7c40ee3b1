#include "boot/host.h"

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/strings.h"

namespace planetbox {
namespace {

struct StateWord {
    std::string_view word;
    BootState state;
};
// The first word of a state is its name.
constexpr StateWord kStateWords[] = {
    {"boot", BootState::kBoot},         {"reinstall", BootState::kReinstall},
    {"upgrade", BootState::kUpgrade},   {"safeboot", BootState::kSafeboot},
    {"disabled", BootState::kDisabled}, {"new", BootState::kBoot},
    {"rins", BootState::kReinstall},    {"inst", BootState::kReinstall},
    {"install", BootState::kReinstall}, {"dbg", BootState::kSafeboot},
    {"debug", BootState::kSafeboot},    {"diag", BootState::kSafeboot},
    {"failboot", BootState::kSafeboot}, {"disable", BootState::kDisabled},
};

constexpr std::string_view kAuthNames[] = {"auto", "address", "key", "both"};

// ePoxy's list of what a machine may tell.
constexpr std::string_view kFacts[] = {
    "platform", "buildarch", "serial", "asset", "uuid",    "manufacturer",
    "product",  "chip",      "mac",    "ip",    "version", "public_ssh_host_key"};

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string epoxy_form(const std::string& address, int prefix, const std::string& gateway,
                       const std::vector<std::string>& dns) {
    if (address.empty() || prefix == 0) return "";
    std::string out = strf("%s/%d,%s", address.c_str(), prefix, gateway.c_str());
    for (size_t i = 0; i < 2; ++i) out += "," + (i < dns.size() ? dns[i] : std::string());
    while (out.ends_with(",")) out.pop_back();
    return out;
}

std::string time_text(int64_t seconds) { return rfc3339(from_unix_seconds(seconds)); }

void write_strings(json::Writer& writer, std::string_view name,
                   const std::vector<std::string>& values) {
    writer.key(name).begin_array();
    for (const std::string& value : values) writer.string(value);
    writer.end_array();
}

void write_sequence(json::Writer& writer, std::string_view name, const Sequence& sequence) {
    writer.key(name).begin_object();
    for (const auto& [stage, url] : sequence) writer.field(stage, url);
    writer.end_object();
}

}  // namespace

std::string_view boot_state_name(BootState state) {
    for (const StateWord& entry : kStateWords)
        if (entry.state == state) return entry.word;
    return "boot";
}

Result<BootState> parse_boot_state(std::string_view text) {
    for (const StateWord& entry : kStateWords)
        if (iequals_ascii(entry.word, text)) return entry.state;
    return fail(Code::kInvalid,
                str_cat("boot state '", printable(text),
                        "': must be boot, reinstall, upgrade, safeboot or disabled"));
}

std::string_view auth_policy_name(AuthPolicy policy) { return kAuthNames[size_t(policy)]; }

Result<AuthPolicy> parse_auth_policy(std::string_view text) {
    for (size_t i = 0; i < std::size(kAuthNames); ++i)
        if (kAuthNames[i] == text) return AuthPolicy(i);
    return fail(Code::kInvalid,
                str_cat("auth '", printable(text), "': must be auto, address, key or both"));
}

std::string Host::epoxy_ipv4() const {
    return epoxy_form(ipv4, network.ipv4_prefix, network.ipv4_gateway, network.dns);
}

std::string Host::epoxy_ipv6() const {
    return epoxy_form(ipv6, network.ipv6_prefix, network.ipv6_gateway, network.dns);
}

AuthPolicy Host::effective_auth(bool has_key) const {
    if (auth != AuthPolicy::kAuto) return auth;
    return has_key ? AuthPolicy::kKey : AuthPolicy::kAddress;
}

bool Host::has_address(const IpAddress& peer) const {
    const std::string text = peer.text();
    return text == ipv4 || text == ipv6;
}

Result<std::string> normal_hostname(std::string_view text) {
    std::string name = lower_ascii(text);
    if (name.ends_with('.')) name.pop_back();
    bool good = !name.empty() && name.size() <= 253;
    for (std::string_view label : split(name, '.')) {
        good = good && !label.empty() && label.size() <= 63 && label.front() != '-' &&
               label.back() != '-' &&
               std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; });
    }
    if (good) return name;
    return fail(Code::kInvalid, str_cat("host name '", printable(text),
                                        "': must be letters, digits and dashes between dots"));
}

Result<std::string> normal_address(std::string_view text, bool v4) {
    const std::optional<IpAddress> address = IpAddress::parse(text);
    if (address && address->is_v4() == v4) return address->text();
    return fail(Code::kInvalid,
                str_cat("'", printable(text), "' is not an ", v4 ? "IPv4" : "IPv6", " address"));
}

Result<std::string> normal_mac(std::string_view text) {
    std::string digits;
    for (char c : lower_ascii(text))
        if (c != ':' && c != '-') digits += c;
    if (digits.size() != 12 || digits.find_first_not_of("0123456789abcdef") != digits.npos)
        return fail(Code::kInvalid,
                    str_cat("MAC address '", printable(text), "': must be six bytes in hex"));
    std::string out;
    for (size_t i = 0; i < 12; i += 2) out += (i ? ":" : "") + digits.substr(i, 2);
    return out;
}

bool is_plain_word(std::string_view text) {
    return !text.empty() && text.size() <= 128 && is_alnum(text.front()) &&
           std::ranges::all_of(text, [](char c) {
               return is_alnum(c) || c == '.' || c == '_' || c == '+' || c == '-';
           });
}

Status check_stage_url(std::string_view url) {
    const auto refuse = [&](std::string_view why) {
        return fail(Code::kInvalid, str_cat("URL '", printable(url), "': ", why));
    };
    if (url.size() > 2000) return refuse("is longer than 2000 bytes");
    for (unsigned char c : url)
        if (c <= ' ' || c >= 0x7f) return refuse("write spaces and non-ASCII characters as %XX");
    if (url.starts_with("/") && !url.starts_with("//")) return {};
    if (!url.starts_with("http://") && !url.starts_with("https://"))
        return refuse("must begin with https://, http:// or, for this server, with /");
    if (url.substr(url.find("//") + 2).find_first_not_of('/') != 0) return refuse("names no host");
    return {};
}

Status check_network(const Host& host) {
    const StaticNetwork& net = host.network;
    if (net.ipv4_prefix < 0 || net.ipv4_prefix > 32 || net.ipv6_prefix < 0 || net.ipv6_prefix > 128)
        return fail(Code::kInvalid, "prefix length: must be at most 32 (IPv4) or 128 (IPv6)");
    if (net.ipv4_prefix != 0 && host.ipv4.empty())
        return fail(Code::kInvalid, "a static IPv4 network needs the host's IPv4 address");
    if (net.ipv6_prefix != 0 && host.ipv6.empty())
        return fail(Code::kInvalid, "a static IPv6 network needs the host's IPv6 address");
    if (!net.ipv4_gateway.empty()) TRY_CONTEXT(normal_address(net.ipv4_gateway, true), "gateway");
    if (!net.ipv6_gateway.empty()) TRY_CONTEXT(normal_address(net.ipv6_gateway, false), "gateway");
    for (const std::string& server : net.dns)
        if (!IpAddress::parse(server))
            return fail(Code::kInvalid, "name server '" + printable(server) + "': not an address");
    return {};
}

void collect_fact(FormFields* collected, std::string_view name, std::string_view value) {
    if (std::ranges::find(kFacts, name) == std::end(kFacts)) return;
    value = trim(value);
    if (value.empty() || !is_utf8(value)) return;
    std::string kept = printable(value, 256);
    auto same = std::ranges::find(*collected, name, &FormFields::value_type::first);
    if (same == collected->end())
        collected->emplace_back(std::string(name), std::move(kept));
    else if (same->second.size() + kept.size() < 1024)
        same->second += " " + kept;
}

void write_host_json(json::Writer& writer, const Host& host, bool has_key) {
    writer.begin_object();
    writer.field("Name", host.hostname).field("IPv4Addr", host.ipv4);
    write_sequence(writer, "Boot", host.boot);
    write_sequence(writer, "Update", host.update);
    writer.field("ImagesVersion", host.images_version).field("UpdateEnabled", host.update_enabled);
    write_strings(writer, "Extensions", host.extensions);
    writer.field("LastSessionCreation", time_text(host.last_session));
    writer.field("LastReport", time_text(host.last_report));
    writer.field("LastSuccess", time_text(host.last_success));
    writer.key("CollectedInformation").begin_object();
    for (const auto& [name, value] : host.collected) writer.field(name, value);
    writer.end_object();
    writer.field("IPv6Addr", host.ipv6).field("MAC", host.mac);
    writer.field("BootState", boot_state_name(host.boot_state));
    writer.field("Auth", auth_policy_name(host.effective_auth(has_key)));
    writer.field("HasKey", has_key);
    writer.field("NetworkIPv4", host.epoxy_ipv4()).field("NetworkIPv6", host.epoxy_ipv6());
    writer.field("Created", time_text(host.created)).field("Modified", time_text(host.modified));
    writer.end_object();
}

std::string host_json(const Host& host, bool has_key) {
    json::Writer writer(4);
    write_host_json(writer, host, has_key);
    return writer.take();
}

std::string sequence_json(const Sequence& sequence) {
    json::Writer writer;
    writer.begin_object();
    for (const auto& [stage, url] : sequence) writer.field(stage, url);
    writer.end_object();
    return writer.take();
}

Result<Sequence> parse_sequence(json::Value value) {
    Sequence sequence;
    for (const auto& [stage, url] : value.members()) {
        if (std::ranges::find(kStageNames, stage) == std::end(kStageNames))
            return fail(Code::kInvalid,
                        str_cat("stage '", printable(stage),
                                "': must be stage1.ipxe, stage1.json, stage2 or stage3"));
        const std::optional<std::string_view> text = url.as_string();
        if (!text) return fail(Code::kInvalid, str_cat(stage, ": must be a string"));
        TRY_CONTEXT(check_stage_url(*text), stage);
        sequence[std::string(stage)] = *text;
    }
    return sequence;
}

}  // namespace planetbox
