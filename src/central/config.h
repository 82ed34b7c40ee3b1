// What `up` is told, and by whom.  Four sources speak, the first one wins:
//
//     the command line  >  the configuration file  >  what an earlier run stored  >  the default
//
// All four go through one table of keys and one set of checks, so an option means the same
// everywhere and a complaint names the place it came from ("planetbox.conf:12: boot-port: …").
//
// The file has one `key = value` a line; the keys are the long options without their dashes.  A '#'
// at the start of a line makes it a comment; a value may stand in double quotes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace planetbox {

inline constexpr size_t kConfigFileLimit = 64 << 10;
inline constexpr size_t kMaxNames = 64;

struct SettingKey {
    std::string_view name;
    std::string_view type;           // for --help: "ADDR"
    std::string_view help;           // one sentence
    std::string_view default_value;  // empty: none
    bool stored;                     // kept in state.db for the next run
};
std::span<const SettingKey> setting_keys();

struct Setting {
    std::string value;
    std::string origin;  // "--boot-port", "/etc/planetbox.conf:12", "the state", "the default"
    bool explicit_now = false;  // from the command line or the file
};

class Settings {
public:
    // The first value of a key stays.  kInvalid for an unknown key, with the nearest known one.
    Status add(std::string_view key, std::string_view value, std::string_view origin,
               bool explicit_now);
    // Adds every line of a configuration file; `path` is for messages.
    Status add_file(std::string_view text, const std::string& path);
    void add_defaults();
    const Setting* find(std::string_view key) const;

private:
    std::map<std::string, Setting, std::less<>> values_;
};

struct UpConfig {
    std::string listen;  // an address literal; "::" also takes IPv4
    uint16_t boot_port = 0;
    uint16_t api_port = 0;
    std::string metrics_listen;      // ADDR:PORT, or empty: none
    std::vector<std::string> names;  // lower case, unique, in the order given; empty: not said
    std::string admin;               // lower case; empty: not said
    std::string admin_password_file;
    std::string site;
};
// Checks every value.  Errors begin with the value's origin and key.
Result<UpConfig> resolve_settings(const Settings& settings);

// A DNS name (letters, digits, dashes, dots; no wildcard) or an address literal; lower-cased.
Result<std::string> check_server_name(std::string_view text);
// The first is what URLs use.  Splits at commas; drops doubles.
Result<std::vector<std::string>> parse_server_names(std::string_view text);

// "https://boot.example:4430", "https://[2001:db8::1]"; 443 is left out.
std::string base_url(std::string_view name, uint16_t port);

}  // namespace planetbox
