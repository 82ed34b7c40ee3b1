// media: boot media for nodes, and what is on one.  Options and wiring; src/media/ makes the bytes.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "applet.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/strings.h"
#include "media/check.h"
#include "media_input.h"
#include "options.h"
#include "sys/files.h"
#include "sys/mapped_file.h"

namespace planetbox {
namespace {

constexpr std::string_view kAbout =
    "Makes what a machine boots from: USB images, ISOs, a PXE directory.\n"
    "\n"
    "Every medium is for one machine and holds its key: it is written readable for its owner "
    "only.\n"
    "The machine then trusts the boot server by this fleet's CA alone. The same input gives the "
    "same\n"
    "bytes, so a medium can be made again. Nodes come from the state by name (HOST, --all), or\n"
    "without a state from --nodes (one name or one JSON object a line) or --plnode:\n"
    "\n"
    "    planetbox media usb node1.example -o media\n"
    "    planetbox media usb --all -o media\n"
    "    planetbox media check media/node1.example.usb.img\n"
    "    dd if=media/node1.example.usb.img of=/dev/sdX bs=1M conv=fsync\n"
    "\n"
    "Exit codes: 0 done, 1 could not be done (check: a medium is not sound), 2 bad usage.\n";

void add_node_options(Options& sub, MediaArguments& a) {
    sub.list("HOST", &a.hosts, "nodes of the state");
    sub.flag("--all", &a.all, "all nodes of the state");
    sub.value(
           "--nodes", &a.nodes_file,
           "list of nodes, '-' for standard input: one a line, a name or a JSON object with "
           "hostname, key, node_id, mac, ipv4 and ipv6 (\"addr/len,gateway,dns\"), server, issued")
        .type("FILE");
    sub.list("--plnode", &a.plnode_files, "node of an existing plnode.txt; may be given many times")
        .type("FILE");
    sub.value("--output,-o", &a.output, "directory to write into").type("DIR");
    sub.value("--state", &a.state, "directory of central's state")
        .type("DIR")
        .env("PLANETBOX_STATE");
    sub.value("--server", &a.server, "boot server, https://HOST[:PORT]")
        .type("URL")
        .default_text("what the state says");
    sub.value("--ca", &a.ca, "root certificate of the fleet (PEM)")
        .type("FILE")
        .default_text("ca/root.crt of the state");
    sub.flag("--new-key", &a.new_key,
             "give each node a new key; the old one stays valid for --grace");
    sub.value("--grace", &a.grace, "how long a replaced key stays valid");
    sub.flag("--json", &a.json, "one JSON object a medium");
}

void add_ipxe_option(Options& sub, MediaArguments& a) {
    sub.list("--ipxe", &a.ipxe, "iPXE for UEFI to re-anchor; again for another kind of machine")
        .type("FILE")
        .default_text("Debian trixie's");
}

void add_disk_options(Options& sub, MediaArguments& a) {
    sub.value("--size", &a.size, "size of the image")
        .type("SIZE")
        .default_text("as small as possible");
    sub.value("--fat", &a.fat_bits, "16 or 32").default_text("16 below 512 MiB");
}

void add_bootcd_options(Options& sub, MediaArguments& a) {
    sub.list("--loader", &a.loader, "systemd-boot for UEFI").type("FILE").default_text("Debian's");
    sub.value("--kernel", &a.kernel, "kernel").type("FILE").default_text("the active image's");
    sub.value("--initramfs", &a.initramfs, "initramfs that has the fleet's CA")
        .type("FILE")
        .default_text("the active image's");
    sub.value("--serial", &a.serial, "also a serial console, like ttyS0 or ttyS0,115200")
        .type("TTY");
    sub.value("--cmdline", &a.cmdline, "more kernel parameters").type("WORDS");
    sub.value("--rescue-keys", &a.rescue_keys,
              "who may log in to a node in rescue mode (authorized_keys)")
        .type("FILE")
        .default_text("rescue_keys of the state");
}

// Progress of a long call, on a terminal only.
class Progress {
public:
    explicit Progress(size_t total) : total_(total), shown_(total > 1 && ::isatty(2)) {}
    ~Progress() {
        if (shown_) std::fprintf(stderr, "\r\x1b[K");
    }
    void step(size_t done) {
        size_t percent = done * 100 / total_;
        if (!shown_ || percent == last_) return;
        last_ = percent;
        std::fprintf(stderr, "\r[%-25.*s] %zu of %zu", int(percent / 4),
                     "=========================", done, total_);
    }

private:
    size_t total_;
    size_t last_ = 101;
    bool shown_;
};

// Under its final name only when it is whole.  The disk is asked to keep it once, at the end of the
// call.
Status write_image(const std::string& path, const Image& image) {
    std::string temporary = strf("%s.%d.part", path.c_str(), int(::getpid()));
    Status written = [&]() -> Status {
        UniqueFd fd = TRY(open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
        return image.write(fd.get());
    }();
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = fail_errno("rename");
    if (written) return {};
    ::unlink(temporary.c_str());
    return fail(std::move(written.error()).context(path));
}

Status sync_directory(const std::string& path) {
    UniqueFd fd = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
    if (::syncfs(fd.get()) != 0) return fail_errno(path);
    return {};
}

void say_made(const MediaArguments& a, const std::string& path, uint64_t size,
              const MediumSpec& spec) {
    std::string host = plnode_hostname(spec.node);
    std::string key = spec.node.node_key.empty() ? "" : node_key_id(spec.node.node_key);
    if (a.json) {
        json::Writer w;
        w.begin_object().field("host", host).field("file", path).field("size", int64_t(size));
        w.field("key_id", key).end_object();
        std::printf("%s\n", w.text().c_str());
    } else {
        std::printf("%s  %s  %s\n", path.c_str(), human_bytes(size).c_str(),
                    key.empty() ? "no key" : ("key " + key).c_str());
    }
}

Status make_images(const MediaArguments& a, MediumKind kind, const char* suffix) {
    MediumOptions options;
    options.fat_bits = a.fat_bits;
    if (!a.size.empty()) options.size = TRY(parse_size(a.size));
    MediaKit kit = TRY(kind == MediumKind::kBootcd ? gather_bootcd_kit(a) : gather_ipxe_kit(a));
    std::vector<MediumSpec> specs = TRY(gather_nodes(a));
    TRY(make_dirs(a.output));
    const bool list = a.json || specs.size() == 1 || !::isatty(2);
    const MonoTime start = RealClock().mono();
    {
        Progress progress(specs.size());
        for (size_t i = 0; i < specs.size(); ++i) {
            std::string host = plnode_hostname(specs[i].node);
            Image image = TRY_CONTEXT(make_medium(kind, kit, specs[i], options), host);
            std::string path = str_cat(a.output, "/", host, suffix);
            TRY(write_image(path, image));
            if (list) say_made(a, path, image.size(), specs[i]);
            progress.step(i + 1);
        }
    }
    if (!list)
        std::printf("%zu media in %s, %s\n", specs.size(), a.output.c_str(),
                    human_duration(RealClock().mono() - start).c_str());
    return sync_directory(a.output);
}

Status make_pxe_directory(const MediaArguments& a) {
    MediaKit kit = TRY(gather_ipxe_kit(a));
    std::vector<MediumSpec> specs = TRY(gather_nodes(a));
    for (const char* sub : {"", "/host", "/mac"}) TRY(make_dirs(a.output + sub));
    char* absolute = ::realpath(a.output.c_str(), nullptr);
    if (!absolute) return fail_errno(a.output);
    std::string directory(absolute);
    std::free(absolute);
    for (const MediumFile& file : TRY(make_pxe(kit, specs, directory))) {
        Image image;
        image.put(0, file.data);
        std::string path = a.output + "/" + file.path;
        TRY(write_image(path, image));
        // dnsmasq reads as a user of its own; what TFTP hands out cannot be kept secret anyway.
        if (::chmod(path.c_str(), 0644) != 0) return fail_errno(path);
    }
    for (const MediumSpec& spec : specs)
        say_made(a, str_cat(a.output, "/host/", plnode_hostname(spec.node), ".ipxe"), 0, spec);
    if (!a.json) std::printf("dnsmasq: conf-file=%s/dnsmasq.conf\n", directory.c_str());
    return sync_directory(a.output);
}

void print_report(const std::string& path, const MediumReport& report, bool as_json) {
    if (as_json) {
        json::Writer w;
        w.begin_object().field("file", path).field("kind", report.kind).field("host", report.host);
        w.field("server", report.server).field("network", report.network);
        w.field("key_id", report.key_id).field("sound", report.problems.empty());
        w.key("facts").begin_array();
        for (const std::string& fact : report.facts) w.string(fact);
        w.end_array().key("problems").begin_array();
        for (const std::string& problem : report.problems) w.string(problem);
        w.end_array().end_object();
        std::printf("%s\n", w.text().c_str());
        return;
    }
    std::printf("%s: %s for %s\n", path.c_str(), report.kind.c_str(),
                report.host.empty() ? "nobody" : report.host.c_str());
    std::printf("  boot server %s, network %s, %s\n", report.server.c_str(), report.network.c_str(),
                report.key_id.empty() ? "no key" : ("key " + report.key_id).c_str());
    for (const std::string& fact : report.facts) std::printf("  %s\n", fact.c_str());
    for (const std::string& problem : report.problems)
        std::printf("  WRONG: %s\n", problem.c_str());
    std::printf("  %s\n", report.problems.empty() ? "sound" : "not sound");
}

Result<MediumReport> check_one(const std::string& path, const std::optional<std::string>& root) {
    MappedFile file = TRY(MappedFile::open(path));
    return TRY_CONTEXT(check_medium_image(file.bytes(), root), path);
}

int check_files(const MediaArguments& a) {
    std::optional<std::string> root;
    if (!a.ca.empty() || file_exists(a.state + "/ca/root.crt")) {
        auto found = root_fingerprint(a, nullptr);
        if (!found) {
            std::fprintf(stderr, "planetbox media: %s\n", found.error().message().c_str());
            return kExitFailure;
        }
        root = std::move(*found);
    }
    int code = kExitOk;
    for (const std::string& path : a.files) {
        auto report = check_one(path, root);
        if (!report) {
            std::fprintf(stderr, "planetbox media: %s\n", report.error().message().c_str());
            code = kExitFailure;
            continue;
        }
        print_report(path, *report, a.json);
        if (!report->problems.empty()) code = kExitFailure;
    }
    return code;
}

int finish(const Status& status) {
    if (status) return kExitOk;
    std::fprintf(stderr, "planetbox media: %s\n", status.error().message().c_str());
    return kExitFailure;
}

}  // namespace
}  // namespace planetbox

int media_main(int argc, char** argv) {
    using namespace planetbox;
    MediaArguments a;
    a.state = "/var/lib/planetbox";
    Options opt("media", kAbout);
    Options& usb =
        opt.sub("usb", "Disk images (GPT, EFI system partition) with iPXE: DIR/HOST.usb.img.");
    Options& iso =
        opt.sub("iso", "UEFI ISOs with iPXE, which also boot from a stick: DIR/HOST.iso.");
    Options& pxe = opt.sub("pxe", "A directory for TFTP, with a configuration for dnsmasq.");
    Options& bootcd =
        opt.sub("bootcd", "Disk images without iPXE: kernel and initramfs: DIR/HOST.bootcd.img.");
    Options& check =
        opt.sub("check", "Reads media back and says what is on them and what is wrong.");
    for (Options* sub : {&usb, &iso, &pxe, &bootcd}) add_node_options(*sub, a);
    for (Options* sub : {&usb, &iso, &pxe}) add_ipxe_option(*sub, a);
    for (Options* sub : {&usb, &bootcd}) add_disk_options(*sub, a);
    add_bootcd_options(bootcd, a);
    pxe.value("--rescue-keys", &a.rescue_keys, "who may log in to a node in rescue mode")
        .type("FILE")
        .default_text("rescue_keys of the state");
    check.list("FILE", &a.files, "images to read").required();
    check.value("--ca", &a.ca, "root certificate that they should trust").type("FILE");
    check.value("--state", &a.state, "directory of central's state")
        .type("DIR")
        .env("PLANETBOX_STATE");
    check.flag("--json", &a.json, "one JSON object a medium");
    if (std::optional<int> code = opt.parse(argc, argv)) return *code;
    if (usb.chosen()) return finish(make_images(a, MediumKind::kUsb, ".usb.img"));
    if (iso.chosen()) return finish(make_images(a, MediumKind::kIso, ".iso"));
    if (bootcd.chosen()) return finish(make_images(a, MediumKind::kBootcd, ".bootcd.img"));
    if (pxe.chosen()) return finish(make_pxe_directory(a));
    return check_files(a);
}
