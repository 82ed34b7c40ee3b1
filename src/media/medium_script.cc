// The iPXE scripts of a medium, filled in for one node (medium.h), and the PXE directory of many.
#include <algorithm>
#include <map>

#include "base/strings.h"
#include "media/medium.h"
#include "wire/script_template.h"

namespace planetbox {
namespace {

// Letters and digits that need no quoting in a query; everything else in a key is '+', '/', '-',
// '_'.
std::string query_value(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == '+' || c == '/')
            out += c == '+' ? "%2B" : "%2F";
        else
            out += c;
    }
    return out;
}

std::string network_lines(const Plnode& node, ScriptHome home) {
    std::string out;
    auto set = [&out](std::string_view name, std::string_view value) {
        if (!value.empty()) out += str_cat("set net${nic}/", name, " ", value, " ||\n");
    };
    bool v4 = node.ip_method == "static", v6 = !node.ip6_address.empty();
    if (home == ScriptHome::kTftp && !v4 && !v6)
        out += "isset ${net${nic}/ip} && goto ask ||\n";  // what the firmware or the menu left
    out += "ifopen net${nic} ||\n";
    if (v4) {
        set("ip", node.ip_address);
        set("netmask", node.ip_netmask);
        set("gateway", node.ip_gateway);
    }
    if (v6) {
        auto parts = split_once(node.ip6_address, '/');
        set("ip6", parts->first);
        set("len6", parts->second);
        set("gateway6", node.ip6_gateway);
    }
    std::string dns4, dns6;
    for (const std::string* dns : {&node.ip_dns1, &node.ip_dns2}) {
        // iPXE asks one name server; the first of its kind is the one.
        std::string& list = dns->find(':') == dns->npos ? dns4 : dns6;
        if (list.empty()) list = *dns;
    }
    set("dns", dns4);
    set("dns6", dns6);
    out += "iflinkwait --timeout 10000 net${nic} || goto no_link\n";
    if (v4) return out + "goto ask";
    if (v6) {
        // Where IPv6 is static, IPv4 may not exist at all.  A failed ifconf closes the interface.
        return out +
               "ifconf --configurator dhcp --timeout 10000 net${nic} && goto ask ||\n"
               "ifopen net${nic} ||\ngoto ask";
    }
    return out +
           "ifconf --configurator dhcp --timeout 20000 net${nic} && goto ask ||\n"
           "ifconf --configurator ipv6 --timeout 10000 net${nic} && goto ask ||\n"
           "goto no_address";
}

std::string mac_file_name(std::string_view mac) {
    return str_cat("mac/", replace_all(mac, ":", "-"), ".ipxe");
}

// "BOOTX64.EFI" → what the file is called in the PXE directory, and DHCP's client architectures.
struct PxeArchitecture {
    std::string_view boot_name, file, tag;
    std::vector<int> numbers;  // RFC 4578 and IANA's registry
};

const PxeArchitecture* find_architecture(std::string_view boot_name) {
    static const PxeArchitecture kAll[] = {
        {"BOOTX64.EFI", "ipxe-x86_64.efi", "planetbox-x86_64", {7, 9}},
        {"BOOTAA64.EFI", "ipxe-arm64.efi", "planetbox-arm64", {11}},
        {"BOOTRISCV64.EFI", "ipxe-riscv64.efi", "planetbox-riscv64", {27}},
    };
    for (const PxeArchitecture& entry : kAll)
        if (entry.boot_name == boot_name) return &entry;
    return nullptr;
}

std::string dnsmasq_conf(const MediaKit& kit, const std::vector<MediumSpec>& specs,
                         const std::string& directory) {
    std::string out =
        str_cat("# For dnsmasq: conf-file=", directory,
                "/dnsmasq.conf\n"
                "# Add dhcp-range= (and interface=) of your own. TFTP is neither secret nor "
                "checked: use it\n"
                "# on a network of yours only; what the node loads after that comes over HTTPS.\n"
                "enable-tftp\ntftp-root=",
                directory, "\n");
    for (const MediaKit::Binary& binary : kit.ipxe) {
        const PxeArchitecture* architecture = find_architecture(binary.boot_name);
        if (!architecture) continue;
        for (int number : architecture->numbers)
            out +=
                strf("dhcp-match=set:%s,option:client-arch,%d\n", architecture->tag.data(), number);
        out += str_cat("dhcp-boot=tag:", architecture->tag, ",", architecture->file, "\n");
    }
    for (const MediumSpec& spec : specs) {
        if (spec.node.net_device.empty()) continue;
        out += str_cat("dhcp-host=", spec.node.net_device, ",", spec.node.host_name);
        if (spec.node.ip_method == "static") out += str_cat(",", spec.node.ip_address);
        out += str_cat("  # ", plnode_hostname(spec.node), "\n");
    }
    return out;
}

Status add_node_files(std::vector<MediumFile>& files, const MediaKit& kit, const MediumSpec& spec) {
    std::string host = plnode_hostname(spec.node);
    files.push_back({"host/" + host + ".ipxe", TRY(make_autoexec(spec, ScriptHome::kTftp)), true});
    files.push_back({"host/" + host + ".plnode.txt", TRY(write_plnode(spec.node)), true});
    files.push_back({"host/" + host + ".initrd", TRY(make_node_initrd(kit, spec)), true});
    if (!spec.node.net_device.empty())
        files.push_back({mac_file_name(spec.node.net_device),
                         str_cat("#!ipxe\nchain ../host/", host, ".ipxe\n")});
    return {};
}

}  // namespace

Result<std::string> make_autoexec(const MediumSpec& spec, ScriptHome home) {
    TRY(check_medium(spec));
    std::string host = plnode_hostname(spec.node);
    const std::string& server = spec.node.boot_server;
    if (!is_script_word(server) || !is_script_word(host))
        return fail(Code::kInvalid,
                    str_cat(host, ": the name or the server's cannot stand in a script"));
    std::string identity, key_query;
    if (!spec.node.node_key.empty()) {
        identity = "set node_key " + query_value(spec.node.node_key) + "\n";
        key_query = "key=${node_key}&";
    }
    std::string plnode_uri = home == ScriptHome::kDisk ? "file:/plnode.txt" : host + ".plnode.txt";
    std::string network = network_lines(spec.node, home);
    return fill_script(TRY(find_script_template("autoexec.ipxe")), {{"host", host},
                                                                    {"server", server},
                                                                    {"identity", identity},
                                                                    {"plnode_uri", plnode_uri},
                                                                    {"mac", spec.node.net_device},
                                                                    {"network", network},
                                                                    {"key_query", key_query}});
}

Result<std::vector<MediumFile>> make_pxe(const MediaKit& kit, const std::vector<MediumSpec>& specs,
                                         const std::string& directory) {
    std::vector<MediumFile> files;
    std::map<std::string, std::string, std::less<>> macs;
    for (const MediaKit::Binary& binary : kit.ipxe)
        if (const PxeArchitecture* architecture = find_architecture(binary.boot_name))
            files.push_back({std::string(architecture->file), binary.data});
    if (files.empty()) return fail(Code::kInvalid, "no iPXE binary that DHCP has a number for");
    if (!std::all_of(directory.begin(), directory.end(),
                     [](char c) { return c > ' ' && c < 0x7f; }))
        return fail(Code::kInvalid,
                    str_cat("\"", printable(directory), "\": dnsmasq cannot be given this name"));
    for (const MediumSpec& spec : specs) {
        auto [at, fresh] = macs.try_emplace(spec.node.net_device, plnode_hostname(spec.node));
        if (!fresh && !spec.node.net_device.empty())
            return fail(Code::kConflict, str_cat(at->second, " and ", plnode_hostname(spec.node),
                                                 " have the same MAC address ", at->first));
        TRY(add_node_files(files, kit, spec));
    }
    files.push_back({"autoexec.ipxe", std::string(TRY(find_script_template("pxe.ipxe")))});
    files.push_back({"dnsmasq.conf", dnsmasq_conf(kit, specs, directory)});
    return files;
}

}  // namespace planetbox
