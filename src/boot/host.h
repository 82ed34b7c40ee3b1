// A host's boot record: who it is, how it proves that, and what it boots.
//
// Values only: boot_store.h keeps them, bootadm and the registry change them, bootd reads them.
// Everything that comes from outside is checked here, once, so that the scripts made from a record
// (stage_script.h) need not distrust it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "net/address.h"
#include "net/http_message.h"

namespace planetbox {

// What the operator wants of the machine (PlanetLab's boot_state).
enum class BootState { kBoot, kReinstall, kUpgrade, kSafeboot, kDisabled };
std::string_view boot_state_name(BootState state);
// Takes PlanetLab's older names too: dbg, debug, diag, failboot → safeboot; inst, install, rins →
// reinstall; new → boot; disable → disabled.
Result<BootState> parse_boot_state(std::string_view text);

// How a machine shows at stage 1 that it is this host.
enum class AuthPolicy {
    kAuto,     // its key once one was issued, else its address
    kAddress,  // the source address is one of the record's (ePoxy's way)
    kKey,      // the node key of its medium
    kBoth,
};
std::string_view auth_policy_name(AuthPolicy policy);
Result<AuthPolicy> parse_auth_policy(std::string_view text);

// Stage name ("stage1.ipxe", "stage1.json", "stage2", "stage3") → URL.  {{VERSION}} in it stands
// for the host's images version; one that begins with '/' is on this server.  A stage that an empty
// sequence lacks is the built-in one, of the image "planetbox".
using Sequence = std::map<std::string, std::string, std::less<>>;
inline constexpr std::string_view kStageNames[] = {"stage1.ipxe", "stage1.json", "stage2",
                                                   "stage3"};

// Static addresses, for machines without DHCP.
struct StaticNetwork {
    int ipv4_prefix = 0;  // 0: DHCP
    std::string ipv4_gateway;
    int ipv6_prefix = 0;
    std::string ipv6_gateway;
    std::vector<std::string> dns;  // the first two are used, as epoxy.ipv4 has it
    bool operator==(const StaticNetwork&) const = default;
};

struct Host {
    int64_t id = 0;
    std::string hostname;    // lower case, fully qualified
    std::string ipv4, ipv6;  // canonical text, or empty
    std::string mac;         // "52:54:00:12:34:56" or empty
    BootState boot_state = BootState::kBoot;
    Sequence boot, update;
    std::string images_version = "latest";
    bool update_enabled = false;
    std::vector<std::string> extensions;  // operations it may call
    AuthPolicy auth = AuthPolicy::kAuto;
    StaticNetwork network;
    FormFields collected;               // what it said of itself at stage 1
    int64_t created = 0, modified = 0;  // Unix seconds, 0 = never
    int64_t last_session = 0, last_report = 0, last_success = 0;  // Unix seconds, 0 = never

    // "addr/len,gw,dns1,dns2" as epoxy.ipv4 and epoxy.ipv6 hold it; empty without static addresses.
    std::string epoxy_ipv4() const;
    std::string epoxy_ipv6() const;
    // Rule kAuto resolved.
    AuthPolicy effective_auth(bool has_key) const;
    bool has_address(const IpAddress& peer) const;
};

// Lower-cases and checks: labels of letters, digits and dashes, at most 253 characters.
Result<std::string> normal_hostname(std::string_view text);
Result<std::string> normal_address(std::string_view text, bool v4);
Result<std::string> normal_mac(std::string_view text);
// Image names, versions, file names, operations: a letter or digit, then letters, digits, ". _ +
// -".
bool is_plain_word(std::string_view text);
// A URL that can stand in an iPXE script and in JSON as it is: http(s) or a path, no space, no
// control character, at most 2000 bytes.
Status check_stage_url(std::string_view url);
Status check_network(const Host& host);

// Adds one fact that a machine told, if ePoxy's list has its name and it is text; repeated ones are
// joined by a space.  At most 256 bytes a value.
void collect_fact(FormFields* collected, std::string_view name, std::string_view value);

// ePoxy's JSON form of a record, ours added after it.
std::string host_json(const Host& host, bool has_key);
void write_host_json(json::Writer& writer, const Host& host, bool has_key);

std::string sequence_json(const Sequence& sequence);
Result<Sequence> parse_sequence(json::Value value);

}  // namespace planetbox
