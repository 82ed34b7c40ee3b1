#include "kexec.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applet.h"
#include "base/strings.h"
#include "options.h"
#include "stage/kexec_image.h"
#include "sys/files.h"
#include "sys/kexec.h"
#include "sys/process.h"
#include "sys/restart.h"

namespace planetbox {

namespace {

struct KexecOptions {
    std::string kernel, initrd, command_line;
    std::string node_file = "/etc/planetbox/plnode.txt";
    std::string type;
    bool load = false, exec = false, force = false, unload = false, status = false;
    bool reuse = false, no_sync = false, panic = false, ignored = false;
};

void declare(Options& opt, KexecOptions& to) {
    opt.value("KERNEL", &to.kernel, "the kernel to load");
    opt.flag("--load,-l", &to.load, "load only");
    opt.flag("--exec,-e", &to.exec, "start the loaded kernel at once, without an orderly shutdown");
    opt.flag("--force,-f", &to.force, "load and start at once, without an orderly shutdown");
    opt.flag("--unload,-u", &to.unload, "forget the loaded kernel");
    opt.flag("--status,-S", &to.status, "exit code 1 when a kernel is loaded, 0 when none is");
    opt.value("--command-line,--append", &to.command_line, "its command line").type("TEXT");
    opt.flag("--reuse-cmdline", &to.reuse,
             "put the running kernel's command line before that of --command-line");
    opt.value("--initrd,--ramdisk", &to.initrd, "its initial RAM disk").type("FILE");
    opt.flag("--no-sync,-y", &to.no_sync, "do not write cached data to disks first");
    opt.value("--node-file", &to.node_file,
              "put this file into the RAM disk as /etc/planetbox/plnode.txt if it exists; '' for "
              "none")
        .type("FILE");
    // kexec-tools' options that choose what is done here anyway, or that do not matter here.
    opt.value("--type,-t", &to.type, "ignored: the image says what it is").hidden();
    for (const char* names :
         {"--kexec-file-syscall,-s", "--kexec-syscall,-c", "--kexec-syscall-auto,-a",
          "--no-ifdown,-x", "--no-checks,-i", "--debug,-d"})
        opt.flag(names, &to.ignored, "ignored").hidden();
    opt.flag("--load-panic,-p", &to.panic, "not supported").hidden();
}

// Starts what is loaded through the system's own shutdown, where there is one.
Status shut_down_into_it() {
    for (const char* program : {"/sbin/shutdown", "/usr/sbin/shutdown"}) {
        if (!file_exists(program)) continue;
        pid_t pid = TRY(spawn({.argv = {program, "-r", "now"}}));
        int status = 0;
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (status == 0) return {};
        return fail(Code::kIo, str_cat(program, " -r now: ", describe_wait_status(status)));
    }
    ask_init_for_kexec();
    return leave_kernel(Leave::kKexec);
}

Status start(bool sync_first) {
    if (sync_first) ::sync();
    ask_init_for_kexec();
    return leave_kernel(Leave::kKexec);
}

Status load(const KexecOptions& from, const std::map<std::string, std::string>& expected) {
    KexecRequest request{.kernel = from.kernel,
                         .initrd = from.initrd,
                         .command_line = from.command_line,
                         .expected = &expected,
                         .node_file = from.node_file};
    if (from.reuse) {
        std::string line = reusable_command_line(TRY(read_file("/proc/cmdline", 64 << 10)));
        request.command_line =
            from.command_line.empty() ? line : str_cat(line, " ", from.command_line);
    }
    return load_kexec(request);
}

Status carry_out(const KexecOptions& from, const std::map<std::string, std::string>& expected) {
    if (from.unload) return kexec_unload();
    if (from.exec && !from.load && !from.force) return start(!from.no_sync);
    TRY(load(from, expected));
    if (from.force || (from.load && from.exec)) return start(!from.no_sync);
    return from.load ? Status() : shut_down_into_it();
}

constexpr const char* kAbout =
    "Loads another kernel and starts it without going through the firmware.\n"
    "\n"
    "Takes kexec-tools' usual options, so that boot actions and scripts run unchanged; works "
    "through\n"
    "kexec_file_load(2) only. Without --load, --exec or --force the kernel is loaded and the "
    "system\n"
    "shut down into it.\n"
    "\n"
    "    kexec --force --command-line='quiet' --initrd=initramfs vmlinuz\n"
    "    kexec -l vmlinuz --initrd=initramfs --reuse-cmdline; kexec -e\n";

// nullopt: go on.
std::optional<int> parse(int argc, char** argv, KexecOptions& to) {
    Options opt("kexec", kAbout);
    declare(opt, to);
    if (std::optional<int> code = opt.parse(argc, argv)) return code;
    if (to.panic)
        return opt.usage_error("--load-panic: crash kernels are not supported; use kexec-tools");
    const bool loads = to.load || to.force || !(to.exec || to.unload || to.status);
    if (loads && to.kernel.empty()) return opt.usage_error("which KERNEL?");
    return std::nullopt;
}

int print_status() {
    Result<bool> loaded = kexec_image_loaded();
    if (!loaded) {
        fprintf(stderr, "kexec: %s\n", loaded.error().message().c_str());
        return kExitUsage;
    }
    return *loaded ? 1 : 0;
}

}  // namespace

Status run_kexec(const std::vector<std::string>& argv,
                 const std::map<std::string, std::string>& expected) {
    std::vector<std::string> words = argv;
    words[0] = "kexec";
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    KexecOptions options;
    if (std::optional<int> code = parse(static_cast<int>(words.size()), pointers.data(), options)) {
        if (*code == kExitOk) return {};
        return fail(Code::kInvalid, strf("exit status %d", *code));
    }
    if (options.status) return fail(Code::kInvalid, strf("exit status %d", print_status()));
    return carry_out(options, expected);
}

}  // namespace planetbox

using namespace planetbox;

int kexec_main(int argc, char** argv) {
    KexecOptions options;
    if (std::optional<int> code = parse(argc, argv, options)) return *code;
    if (options.status) return print_status();
    Status done = carry_out(options, {});
    if (done) return kExitOk;
    const std::string& message = done.error().message();
    fprintf(stderr, "%s%s\n", message.starts_with("kexec: ") ? "" : "kexec: ", message.c_str());
    return kExitFailure;
}
