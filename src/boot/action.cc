#include "boot/action.h"

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "wire/script_template.h"

namespace planetbox {
namespace {

constexpr std::string_view kGenerated[] = {"stage1to2.ipxe",  "stage1to2.json", "stage2to3.json",
                                           "stage3post.json", "rescue.ipxe",    "rescue.json"};

// What every system is told by its kernel command line: parameter and iPXE variable.
struct Handed {
    std::string_view karg;
    std::string_view variable;
    bool until_stage2;  // stage 3 is not told
};
constexpr Handed kHanded[] = {
    {"epoxy.hostname", "hostname", false}, {"epoxy.ipv4", "epoxy_ipv4", false},
    {"epoxy.ipv6", "epoxy_ipv6", false},   {"epoxy.images_version", "images_version", false},
    {"epoxy.stage2", "stage2_url", true},  {"epoxy.stage3", "stage3_url", false},
    {"epoxy.report", "report_url", false},
};

std::string ipxe_cmdline(const ActionInput& input, bool rescue) {
    std::string line = input.cmdline;
    for (const Handed& handed : kHanded)
        line += str_cat(" ", handed.karg, "=${", handed.variable, "}");
    for (const std::string& operation : input.extensions)
        line += str_cat(" epoxy.", operation, "=${", operation, "_url}");
    if (rescue) line += " planetbox.rescue";
    return std::string(trim(line));
}

Result<std::string> ipxe_action(const ActionInput& input, bool rescue) {
    const std::string_view text = TRY(find_script_template("stage1to2.ipxe"));
    return fill_script(text, {{"what", rescue ? "the rescue system" : "the system"},
                              {"version", input.version},
                              {"image", input.image},
                              {"kernel_url", input.kernel.url},
                              {"initramfs_url", input.initramfs.url},
                              {"cmdline", ipxe_cmdline(input, rescue)}});
}

void write_file_spec(json::Writer& writer, std::string_view name, const ActionFile& file) {
    writer.key(name).begin_object().field("url", file.url).field("sha256", file.sha256);
    writer.end_object();
}

enum class Into { kStage2, kStage3, kRescue };

std::string kexec_action(const ActionInput& input, Into into) {
    json::Writer writer(4);
    writer.begin_object().key("v1").begin_object();
    writer.key("vars").begin_object().key("cmdline").begin_array();
    for (std::string_view word : split_words(input.cmdline)) writer.string(word);
    const auto hand_on = [&](std::string_view name) {
        writer.string(str_cat(name, "={{kargs `", name, "`}}"));
    };
    for (const Handed& handed : kHanded)
        if (into != Into::kStage3 || !handed.until_stage2) hand_on(handed.karg);
    for (const std::string& operation : input.extensions) hand_on("epoxy." + operation);
    if (into == Into::kRescue) writer.string("planetbox.rescue");
    writer.end_array().end_object();
    writer.key("files").begin_object();
    write_file_spec(writer, kKernelFile, input.kernel);
    write_file_spec(writer, kInitramfsFile, input.initramfs);
    writer.end_object();
    writer.key("commands").begin_array().begin_array();
    for (std::string_view word : {"/sbin/kexec", "--force", "--command-line={{.vars.cmdline}}",
                                  "--initrd={{.files.initramfs.name}}", "{{.files.vmlinuz.name}}"})
        writer.string(word);
    writer.end_array().end_array();
    writer.end_object().end_object();
    return writer.take() + "\n";
}

// Notes what was booted where programs of the system can read it, then runs the image's own steps.
// The report that follows is bootclient's.
std::string stage3_action(const ActionInput& input) {
    const auto command = [](json::Writer& writer, std::initializer_list<std::string_view> words) {
        writer.begin_array();
        for (std::string_view word : words) writer.string(word);
        writer.end_array();
    };
    json::Writer writer(4);
    writer.begin_object().key("v1").begin_object();
    writer.key("env").begin_object().field("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").end_object();
    writer.key("commands").begin_array();
    command(writer, {"mkdir", "-p", "/run/planetbox"});
    command(writer, {"sh", "-c", "printf '%s\\n' \"$1\" \"$2\" > /run/planetbox/booted", "sh",
                     "image=" + input.image + " version=" + input.version,
                     "hostname={{kargs `epoxy.hostname`}}"});
    command(writer, {"sh", "-c",
                     "for step in /etc/planetbox/stage3.d/*; do [ ! -x \"$step\" ] || \"$step\" || "
                     "exit 1; done"});
    writer.end_array().end_object().end_object();
    return writer.take() + "\n";
}

void copy_members(json::Writer& writer, json::Value object, std::string_view without) {
    for (const auto& [name, value] : object.members())
        if (name != without) writer.key(name).raw(value.dump());
}

// The hash that this file of an action lacks and we know; empty: leave it alone.
std::string missing_hash(json::Value spec, const HashLookup& lookup) {
    const std::optional<std::string_view> url = spec["url"].as_string();
    if (!url || spec["sha256"].exists()) return "";
    return lookup(*url).value_or("");
}

}  // namespace

bool is_generated_action(std::string_view name) {
    return std::ranges::find(kGenerated, name) != std::end(kGenerated);
}

Result<std::string> generate_action(std::string_view name, const ActionInput& input) {
    if (name == "stage1to2.ipxe") return ipxe_action(input, false);
    if (name == "rescue.ipxe") return ipxe_action(input, true);
    if (name == "stage1to2.json") return kexec_action(input, Into::kStage2);
    if (name == "stage2to3.json") return kexec_action(input, Into::kStage3);
    if (name == "rescue.json") return kexec_action(input, Into::kRescue);
    if (name == "stage3post.json") return stage3_action(input);
    return fail(Code::kNotFound, "no action of this name is made for an image");
}

std::string fill_action_hashes(std::string_view action, const HashLookup& lookup) {
    const Result<json::Document> document = json::parse(action, 1 << 20);
    if (!document) return std::string(action);
    const json::Value root = document->root(), v1 = root["v1"], files = v1["files"];
    const auto specs = files.members();
    if (std::ranges::none_of(
            specs, [&](const auto& spec) { return !missing_hash(spec.second, lookup).empty(); }))
        return std::string(action);
    json::Writer writer(4);
    writer.begin_object();
    copy_members(writer, root, "v1");
    writer.key("v1").begin_object();
    copy_members(writer, v1, "files");
    writer.key("files").begin_object();
    for (const auto& [name, spec] : specs) {
        writer.key(name).begin_object();
        copy_members(writer, spec, "");
        const std::string hash = missing_hash(spec, lookup);
        if (!hash.empty()) writer.field("sha256", hash);
        writer.end_object();
    }
    writer.end_object().end_object().end_object();
    return writer.take() + "\n";
}

Status check_cmdline(std::string_view text) {
    if (text.size() > 1024)
        return fail(Code::kTooLarge, "kernel command line: longer than 1024 bytes");
    for (unsigned char c : text)
        if (c < ' ' || c >= 0x7f || c == '$' || c == '{' || c == '|' || c == '&' || c == '\\')
            return fail(Code::kInvalid,
                        "kernel command line: must be printable ASCII without $ { | & \\");
    return {};
}

}  // namespace planetbox
