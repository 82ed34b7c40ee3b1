#include "boot/stage_script.h"

#include <map>

#include "base/json.h"
#include "base/strings.h"

namespace planetbox {

std::string stage1_ipxe(const StageAnswer& answer) {
    std::string out;
    out.reserve(1024);
    const auto set = [&](std::string_view name, std::string_view value) {
        out.append("set ").append(name).append(" ").append(value).append("\n");
    };
    out += "#!ipxe\n\n";
    set("stage1chain_url", answer.chain_url);
    set("stage2_url", answer.stage2_url);
    set("stage3_url", answer.stage3_url);
    set("report_url", answer.report_url);
    set("images_version", answer.images_version);
    for (const auto& [operation, url] : answer.extensions) set(operation + "_url", url);
    if (!answer.epoxy_ipv4.empty()) set("epoxy_ipv4", answer.epoxy_ipv4);
    if (!answer.epoxy_ipv6.empty()) set("epoxy_ipv6", answer.epoxy_ipv6);
    out += "\nchain ${stage1chain_url}\n";
    return out;
}

std::string stage1_json(const StageAnswer& answer) {
    std::map<std::string_view, std::string_view> kargs = {
        {"epoxy.images_version", answer.images_version},
        {"epoxy.report", answer.report_url},
        {"epoxy.stage2", answer.stage2_url},
        {"epoxy.stage3", answer.stage3_url}};
    std::vector<std::string> names;
    names.reserve(answer.extensions.size());
    for (const auto& [operation, url] : answer.extensions) {
        names.push_back("epoxy." + operation);
        kargs[names.back()] = url;
    }
    if (!answer.epoxy_ipv4.empty()) kargs["epoxy.ipv4"] = answer.epoxy_ipv4;
    if (!answer.epoxy_ipv6.empty()) kargs["epoxy.ipv6"] = answer.epoxy_ipv6;
    json::Writer writer(4);
    writer.begin_object().key("kargs").begin_object();
    for (const auto& [name, value] : kargs) writer.field(name, value);
    writer.end_object();
    writer.key("v1").begin_object().field("chain", answer.chain_url).end_object();
    writer.end_object();
    return writer.take();
}

std::string stage_json(std::string_view chain_url) {
    json::Writer writer(4);
    writer.begin_object().key("v1").begin_object().field("chain", chain_url).end_object();
    writer.end_object();
    return writer.take();
}

std::string message_ipxe(const std::vector<std::string>& lines, int wait_seconds) {
    std::string out = "#!ipxe\n\necho\n";
    for (const std::string& line : lines) {
        // iPXE expands ${…} and splits at && and ||, wherever they stand.
        std::string safe;
        for (char c : printable(line)) safe += (c == '$' || c == '&' || c == '|') ? '_' : c;
        out += "echo planetbox: " + safe + "\n";
    }
    out += strf("echo planetbox: asking again in %d seconds\nsleep %d\nexit 1\n", wait_seconds,
                wait_seconds);
    return out;
}

}  // namespace planetbox
