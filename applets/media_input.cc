#include "media_input.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "base/json.h"
#include "base/strings.h"
#include "crypto/ca.h"
#include "media/ipxe_binary.h"
#include "media_state.h"
#include "sys/files.h"

namespace planetbox {
namespace {

constexpr size_t kNodesLimit = 64 << 20;
constexpr size_t kKernelLimit = 256 << 20;
constexpr size_t kInitramfsLimit = size_t{1} << 30;

// Beside an executable that was built in the source tree.
std::string build_deps() {
    char path[4096];
    ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    if (length <= 0 || length == ssize_t(sizeof path)) return "build-deps";
    return dir_name(dir_name(std::string(path, size_t(length)))) + "/build-deps";
}

Result<std::string> first_existing(const std::vector<std::string>& candidates, const char* what,
                                   const char* option) {
    for (const std::string& path : candidates)
        if (file_exists(path)) return path;
    return fail(Code::kNotFound, str_cat("no ", what, " found; give it with ", option,
                                         " (looked at ", join(candidates, ", "), ")"));
}

// Bookworm has a package of this name that is too old; the first that can be re-anchored is taken.
Result<std::string> default_ipxe() {
    const std::vector<std::string> candidates = {"/usr/share/planetbox/ipxe-amd64.efi",
                                                 "/usr/lib/ipxe/ipxe-amd64.efi",
                                                 build_deps() + "/ipxe/ipxe-amd64.efi"};
    for (const std::string& path : candidates) {
        auto data = read_file(path, kEfiLimit);
        if (data && ipxe_is_stock(*data)) return path;
    }
    return first_existing(candidates, "iPXE binary", "--ipxe");
}

Status add_binary(std::vector<MediaKit::Binary>& list, const std::string& path, std::string data) {
    std::string boot_name = TRY_CONTEXT(efi_boot_name(data), path);
    for (const MediaKit::Binary& other : list)
        if (other.boot_name == boot_name)
            return fail(Code::kInvalid,
                        path + ": there is another file for the same kind of machine");
    list.push_back({std::move(boot_name), std::move(data)});
    return {};
}

Status check_keys_text(const std::string& text, const std::string& path) {
    if (!is_utf8(text) || text.find('\0') != text.npos)
        return fail(Code::kInvalid, path + ": is no list of public keys");
    if (text.find("PRIVATE KEY") != text.npos)
        return fail(Code::kInvalid, path + ": holds a private key; give the .pub file");
    return {};
}

Result<MediaKit> common_kit(const MediaArguments& arguments, std::string* root) {
    MediaKit kit;
    *root = TRY(root_fingerprint(arguments, &kit.ca_pem));
    std::string keys = arguments.rescue_keys;
    if (keys.empty() && file_exists(arguments.state + "/rescue_keys"))
        keys = arguments.state + "/rescue_keys";
    if (!keys.empty()) {
        kit.rescue_keys = TRY(read_file(keys, 1 << 20));
        TRY(check_keys_text(kit.rescue_keys, keys));
    }
    return kit;
}

Result<std::string> kernel_words(const MediaArguments& arguments) {
    std::string words;
    if (!arguments.serial.empty()) {
        // PlanetLab's and agetty's form of "115200": a bare name gets the usual speed.
        auto parts = split(arguments.serial, ',');
        if (parts.size() > 2 || !parts[0].starts_with("tty") || !is_plain_name(parts[0]))
            return fail(Code::kInvalid, "--serial: expected a name like ttyS0 or ttyS0,115200");
        words =
            str_cat("console=tty0 console=", arguments.serial, parts.size() == 1 ? ",115200" : "");
    }
    if (!arguments.cmdline.empty()) words += (words.empty() ? "" : " ") + arguments.cmdline;
    if (std::any_of(words.begin(), words.end(),
                    [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }) ||
        words.size() > 1500)
        return fail(Code::kInvalid, "--cmdline: one line of at most 1,500 characters");
    return words;
}

// One line of --nodes: a name, or a JSON object with everything.
Result<MediumSpec> parse_node_object(std::string_view line, const std::string& server) {
    json::Document document = TRY(json::parse(line, 64 * 1024));
    MediumSpec spec;
    std::string ipv4, ipv6, hostname;
    for (auto [name, value] : document.root().members()) {
        std::string text = value.is_number() ? value.dump() : std::string(value.string_or(""));
        if (!value.is_string() && !value.is_number())
            return fail(Code::kInvalid, str_cat(name, ": expected text, not ", value.type_name()));
        if (name == "hostname")
            hostname = text;
        else if (name == "key")
            spec.node.node_key = text;
        else if (name == "node_id")
            spec.node.node_id = text;
        else if (name == "mac")
            spec.node.net_device = lower_ascii(text);
        else if (name == "server")
            spec.node.boot_server = text;
        else if (name == "ipv4")
            ipv4 = text;
        else if (name == "ipv6")
            ipv6 = text;
        else if (name == "issued")
            spec.issued = parse_int(text).value_or(0);
        else
            return fail(Code::kInvalid, str_cat("\"", printable(name, 40),
                                                "\" is not a field; there are hostname, key, "
                                                "node_id, mac, ipv4, ipv6, server, issued"));
    }
    set_plnode_hostname(spec.node, hostname);
    spec.node.ip_method = "dhcp";
    if (!ipv4.empty()) TRY_CONTEXT(set_plnode_epoxy_ipv4(spec.node, ipv4), "ipv4");
    if (!ipv6.empty()) TRY_CONTEXT(set_plnode_epoxy_ipv6(spec.node, ipv6), "ipv6");
    if (spec.node.boot_server.empty()) spec.node.boot_server = server;
    return spec;
}

Status read_node_lines(const MediaArguments& arguments, std::vector<MediumSpec>& specs,
                       std::vector<std::string>& names) {
    const bool standard_input = arguments.nodes_file == "-";
    std::string text = TRY(standard_input ? read_fd(0, kNodesLimit)
                                          : read_file(arguments.nodes_file, kNodesLimit));
    size_t number = 0;
    for (std::string_view raw : split(text, '\n')) {
        std::string_view line = trim(raw);
        std::string place =
            strf("%s line %zu", standard_input ? "standard input" : arguments.nodes_file.c_str(),
                 ++number);
        if (line.empty() || line[0] == '#') continue;
        if (line[0] == '{') {
            specs.push_back(TRY_CONTEXT(parse_node_object(line, arguments.server), place));
            TRY_CONTEXT(check_medium(specs.back()), place);
        } else if (split_words(line).size() == 1)
            names.emplace_back(line);
        else
            return fail(Code::kInvalid, place + ": expected one host name or one JSON object");
    }
    return {};
}

Result<MediumSpec> read_plnode_file(const std::string& path, const std::string& server) {
    MediumSpec spec;
    spec.node = TRY_CONTEXT(parse_plnode(TRY(read_file(path, kPlnodeLimit))), path);
    if (!server.empty()) spec.node.boot_server = server;
    return spec;
}

}  // namespace

Result<std::string> root_fingerprint(const MediaArguments& arguments, std::string* pem) {
    std::string path = arguments.ca.empty() ? arguments.state + "/ca/root.crt" : arguments.ca;
    auto text = read_file(path, 1 << 20);
    if (!text && arguments.ca.empty())
        return fail(std::move(text.error())
                        .context("the fleet's CA (make it with planetbox up, or give --ca)"));
    if (!text) return fail(std::move(text.error()));
    CertInfo info = TRY_CONTEXT(inspect_cert(*text), path);
    if (!info.is_ca)
        return fail(Code::kInvalid, path + ": is no CA's certificate; media must trust the root");
    if (pem) *pem = *text;
    auto raw = unhex(info.sha256_hex);
    CHECK(raw && raw->size() == 32);
    return *raw;
}

Result<MediaKit> gather_ipxe_kit(const MediaArguments& arguments) {
    std::string root;
    MediaKit kit = TRY(common_kit(arguments, &root));
    std::vector<std::string> paths = arguments.ipxe;
    if (paths.empty()) paths.push_back(TRY(default_ipxe()));
    for (const std::string& path : paths) {
        std::string efi = TRY(read_file(path, kEfiLimit));
        TRY(add_binary(kit.ipxe, path, TRY(reanchor_ipxe(efi, root, path))));
    }
    seal_kit(kit);
    return kit;
}

Result<MediaKit> gather_bootcd_kit(const MediaArguments& arguments) {
    std::string root;
    MediaKit kit = TRY(common_kit(arguments, &root));
    std::vector<std::string> loaders = arguments.loader;
    if (loaders.empty())
        loaders.push_back(
            TRY(first_existing({"/usr/share/planetbox/systemd-bootx64.efi",
                                "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
                                build_deps() + "/systemd-boot/systemd-bootx64.efi"},
                               "boot loader (Debian's package systemd-boot-efi)", "--loader")));
    for (const std::string& path : loaders)
        TRY(add_binary(kit.loader, path, TRY(read_file(path, kEfiLimit))));
    std::string kernel = arguments.kernel, initramfs = arguments.initramfs;
    if (kernel.empty() || initramfs.empty()) TRY(find_active_image(arguments, &kernel, &initramfs));
    kit.kernel = TRY(read_file(kernel, kKernelLimit));
    kit.initramfs = TRY(read_file(initramfs, kInitramfsLimit));
    kit.cmdline = TRY(kernel_words(arguments));
    seal_kit(kit);
    return kit;
}

Result<std::vector<MediumSpec>> gather_nodes(const MediaArguments& arguments) {
    std::vector<MediumSpec> specs;
    std::vector<std::string> names;
    for (const std::string& path : arguments.plnode_files)
        specs.push_back(TRY(read_plnode_file(path, arguments.server)));
    if (!arguments.nodes_file.empty()) TRY(read_node_lines(arguments, specs, names));
    names.insert(names.end(), arguments.hosts.begin(), arguments.hosts.end());
    if (!names.empty() || arguments.all) TRY(add_state_nodes(arguments, names, specs));
    std::set<std::string> seen;
    for (const MediumSpec& spec : specs) {
        std::string host = plnode_hostname(spec.node);
        TRY_CONTEXT(check_medium(spec), host);
        if (!seen.insert(host).second) return fail(Code::kInvalid, host + ": is named twice");
    }
    if (specs.empty())
        return fail(Code::kInvalid, "name a host, or say --all, --nodes FILE or --plnode FILE");
    return specs;
}

Result<uint64_t> parse_size(std::string_view text) {
    size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
    auto number = parse_uint(text.substr(0, digits));
    std::string unit = lower_ascii(text.substr(digits));
    int shift = unit.empty() || unit == "b"                    ? 0
                : unit == "k" || unit == "kb" || unit == "kib" ? 10
                : unit == "m" || unit == "mb" || unit == "mib" ? 20
                : unit == "g" || unit == "gb" || unit == "gib" ? 30
                                                               : -1;
    if (!number || shift < 0 || *number == 0 || *number > (uint64_t{2} << 40 >> shift))
        return fail(Code::kInvalid, str_cat("--size ", printable(text, 40),
                                            ": expected a number like 64M or 2G, at most 2048G"));
    return *number << shift;
}

}  // namespace planetbox
