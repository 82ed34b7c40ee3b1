#include "central/config.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "net/address.h"

namespace planetbox {

namespace {

constexpr std::array<SettingKey, 8> kKeys = {{
    {"listen", "ADDR", "Address to listen on; '::' means all, IPv4 too.", "::", true},
    {"boot-port", "PORT", "TCP port of the boot server (HTTPS).", "443", true},
    {"api-port", "PORT",
     "TCP port kept for the registry's API, which comes with a later version. It is checked and "
     "stored, and nothing listens on it yet.",
     "8443", true},
    {"metrics-listen", "ADDR:PORT",
     "Where metrics are served, in plain HTTP; 'none' switches them off.", "127.0.0.1:9000", true},
    {"name", "HOST,IP...",
     "Names and addresses under which machines reach this server, for its certificates. The first "
     "is "
     "used in URLs. Without it: those of the present certificate, at first this machine's own "
     "name.",
     "", true},
    {"admin", "EMAIL", "The first administrator, made by the first run.", "", false},
    {"admin-password-file", "FILE",
     "Holds the first administrator's password. Without it one is made and shown once.", "", false},
    {"site", "LOGIN_BASE", "Makes the record of this site, if it is not there.", "", false},
}};

const SettingKey* find_key(std::string_view name) {
    for (const SettingKey& key : kKeys)
        if (key.name == name) return &key;
    return nullptr;
}

// Letters in common at the same place from either end: enough to see boot_port and bootport.
std::string_view nearest_key(std::string_view word) {
    std::string squeezed = replace_all(replace_all(lower_ascii(word), "_", ""), "-", "");
    std::string_view best;
    size_t best_score = 0;
    for (const SettingKey& key : kKeys) {
        std::string other = replace_all(key.name, "-", "");
        size_t score = 0;
        while (score < other.size() && score < squeezed.size() && other[score] == squeezed[score])
            ++score;
        if (score > best_score) {
            best_score = score;
            best = key.name;
        }
    }
    return best_score >= 3 || best_score == squeezed.size() ? best : std::string_view();
}

Status unknown_key(std::string_view word) {
    std::string_view nearest = nearest_key(word);
    if (!nearest.empty())
        return fail(Code::kInvalid, str_cat("unknown key '", printable(word, 60),
                                            "'; did you mean '", nearest, "'?"));
    std::string all;
    for (const SettingKey& key : kKeys) all += str_cat(all.empty() ? "" : ", ", key.name);
    return fail(Code::kInvalid,
                str_cat("unknown key '", printable(word, 60), "'; there are ", all));
}

Result<std::string> unquote(std::string_view value) {
    if (value.empty() || value.front() != '"') return std::string(value);
    if (value.size() < 2 || value.back() != '"')
        return fail(Code::kInvalid, "the value begins with a quote and does not end with one");
    value = value.substr(1, value.size() - 2);
    if (value.find('"') != value.npos)
        return fail(Code::kInvalid, "a quote inside a quoted value is not understood");
    return std::string(value);
}

struct FileLine {
    std::string_view key;
    std::string value;
};

// nullopt for blank lines and comments.
Result<std::optional<FileLine>> parse_line(std::string_view line) {
    line = trim(line);
    if (line.empty() || line.front() == '#') return std::nullopt;
    if (line.front() == '[')
        return fail(Code::kInvalid, str_cat("'", printable(line, 40),
                                            "': this file has no sections; write key = value"));
    auto pair = split_once(line, '=');
    if (!pair)
        return fail(Code::kInvalid, str_cat("'", printable(line, 40), "': expected key = value"));
    std::string value = TRY(unquote(trim(pair->second)));
    if (!is_utf8(value) || value.find('\0') != value.npos)
        return fail(Code::kInvalid, "the value is not text (UTF-8)");
    return FileLine{trim(pair->first), std::move(value)};
}

Result<uint16_t> parse_port(std::string_view text) {
    std::optional<uint64_t> port = parse_uint(text);
    if (!port || *port < 1 || *port > 65535)
        return fail(Code::kInvalid,
                    str_cat("'", printable(text, 40), "' is no port; give 1-65535"));
    return static_cast<uint16_t>(*port);
}

Result<std::string> parse_listen(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    std::optional<IpAddress> address = IpAddress::parse(text);
    if (!address)
        return fail(Code::kInvalid,
                    str_cat("'", printable(text, 60),
                            "' is no address; give one of this machine's, or '::' for all"));
    return address->text();
}

Result<std::string> parse_metrics_listen(std::string_view text) {
    if (text == "none" || text.empty()) return std::string();
    return TRY(parse_endpoint(text)).text();
}

Result<std::string> parse_email(std::string_view text) {
    std::string email = lower_ascii(text);
    auto parts = split_once(email, '@');
    bool good = parts && !parts->first.empty() && parts->first.size() <= 64 &&
                email.size() <= 254 && parts->second.find('@') == parts->second.npos &&
                IpAddress::parse(parts->second) == std::nullopt &&
                check_server_name(parts->second).has_value();
    for (char c : email)
        if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '"' || c == '<' || c == '>' ||
            c == ',' || c == ';' || c == '(' || c == ')' || c == '\\')
            good = false;
    if (!good)
        return fail(Code::kInvalid, str_cat("'", printable(text, 80),
                                            "' does not look like an e-mail address (name@host)"));
    return email;
}

// Runs one check on one key; an absent key leaves `target` alone.
template <typename T, typename Check>
Status take(const Settings& settings, std::string_view key, T& target, Check check) {
    const Setting* setting = settings.find(key);
    if (!setting) return {};
    auto value = check(setting->value);
    if (!value)
        return std::unexpected(std::move(value.error())
                                   .context(setting->origin.ends_with(key)
                                                ? setting->origin
                                                : str_cat(setting->origin, ": ", key)));
    target = std::move(*value);
    return {};
}

Result<std::string> plain_text(std::string_view text) { return std::string(text); }

uint16_t port_of_endpoint(const std::string& text) {
    Result<Endpoint> endpoint = parse_endpoint(text);
    return endpoint ? endpoint->port : 0;
}

Status check_ports_differ(const UpConfig& config) {
    if (config.boot_port == config.api_port)
        return fail(
            Code::kInvalid,
            strf("--boot-port and --api-port are both %u; each needs its own", config.boot_port));
    uint16_t metrics = config.metrics_listen.empty() ? 0 : port_of_endpoint(config.metrics_listen);
    if (metrics != 0 && (metrics == config.boot_port || metrics == config.api_port))
        return fail(Code::kInvalid,
                    strf("--metrics-listen uses port %u, which is the %s port; each needs its own",
                         metrics, metrics == config.boot_port ? "boot" : "API"));
    return {};
}

bool is_dns_label(std::string_view label) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
        return false;
    return std::all_of(label.begin(), label.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

}  // namespace

std::span<const SettingKey> setting_keys() { return kKeys; }

Status Settings::add(std::string_view key, std::string_view value, std::string_view origin,
                     bool explicit_now) {
    const SettingKey* known = find_key(key);
    if (!known) return unknown_key(key);
    values_.try_emplace(std::string(known->name),
                        Setting{std::string(value), std::string(origin), explicit_now});
    return {};
}

Status Settings::add_file(std::string_view text, const std::string& path) {
    std::map<std::string, int, std::less<>> seen;
    int number = 0;
    for (std::string_view line : split(text, '\n')) {
        std::string origin = strf("%s:%d", path.c_str(), ++number);
        std::optional<FileLine> parsed = TRY_CONTEXT(parse_line(line), origin);
        if (!parsed) continue;
        auto [before, fresh] = seen.emplace(parsed->key, number);
        if (!fresh)
            return fail(Code::kInvalid, strf("%s: %s was set in line %d already", origin.c_str(),
                                             printable(parsed->key, 60).c_str(), before->second));
        TRY_CONTEXT(add(parsed->key, parsed->value, origin, true), origin);
    }
    return {};
}

void Settings::add_defaults() {
    for (const SettingKey& key : kKeys)
        if (!key.default_value.empty())
            values_.try_emplace(std::string(key.name),
                                Setting{std::string(key.default_value), "the default", false});
}

const Setting* Settings::find(std::string_view key) const {
    auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
}

Result<UpConfig> resolve_settings(const Settings& settings) {
    UpConfig config;
    TRY(take(settings, "listen", config.listen, parse_listen));
    TRY(take(settings, "boot-port", config.boot_port, parse_port));
    TRY(take(settings, "api-port", config.api_port, parse_port));
    TRY(take(settings, "metrics-listen", config.metrics_listen, parse_metrics_listen));
    TRY(take(settings, "name", config.names, parse_server_names));
    TRY(take(settings, "admin", config.admin, parse_email));
    TRY(take(settings, "admin-password-file", config.admin_password_file, plain_text));
    TRY(take(settings, "site", config.site, plain_text));
    TRY(check_ports_differ(config));
    return config;
}

Result<std::string> check_server_name(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    if (std::optional<IpAddress> address = IpAddress::parse(text)) return address->text();
    std::string name = lower_ascii(text);
    if (name.ends_with('.')) name.pop_back();
    std::vector<std::string_view> labels = split(name, '.');
    bool good = !name.empty() && name.size() <= 253 &&
                std::all_of(labels.begin(), labels.end(), is_dns_label);
    // "10.0.0.256" or "1.2.3" is a mistyped address, not a name.
    bool digits = std::all_of(labels.back().begin(), labels.back().end(),
                              [](char c) { return c >= '0' && c <= '9'; });
    if (!good || digits)
        return fail(Code::kInvalid,
                    str_cat("'", printable(text, 80), "' is neither a host name nor an address"));
    return name;
}

Result<std::vector<std::string>> parse_server_names(std::string_view text) {
    std::vector<std::string> names;
    for (std::string_view piece : split(text, ',')) {
        std::string name = TRY(check_server_name(trim(piece)));
        if (std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(std::move(name));
        if (names.size() > kMaxNames)
            return fail(Code::kTooLarge, strf("more than %zu names", kMaxNames));
    }
    return names;
}

std::string base_url(std::string_view name, uint16_t port) {
    std::string host = name.find(':') != name.npos ? str_cat("[", name, "]") : std::string(name);
    return port == 443 ? str_cat("https://", host) : strf("https://%s:%u", host.c_str(), port);
}

}  // namespace planetbox
