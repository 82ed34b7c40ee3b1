#include "stage/command.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"
#include "sys/files.h"
#include "sys/process.h"

namespace planetbox {

namespace {

// Go writes the reason with a small letter.
std::string go_errno(int err) {
    std::string text = ::strerrordesc_np(err) ? ::strerrordesc_np(err) : "unknown error";
    if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z')
        text[0] = static_cast<char>(text[0] + 32);
    return text;
}

std::string_view env_value(const std::vector<std::string>& env, std::string_view name) {
    for (const std::string& entry : env)
        if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=')
            return std::string_view(entry).substr(name.size() + 1);
    return {};
}

std::string find_program(const std::string& name, const std::vector<std::string>& env) {
    if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0 ? name : "";
    for (std::string_view dir : split(env_value(env, "PATH"), ':')) {
        std::string path = str_cat(dir.empty() ? "." : dir, "/", name);
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return "";
}

}  // namespace

Status run_command(Waiter& waiter, const std::vector<std::string>& words,
                   const std::vector<std::string>& env, Millis limit) {
    SpawnOptions options;
    options.argv = words;
    options.env = env;
    // Not a session of its own: a command may want the console that we have.
    options.in_child = []() -> const char* { return ::setpgid(0, 0) < 0 ? "setpgid" : nullptr; };
    Result<pid_t> pid = spawn(options);
    if (!pid) {
        if (int err = pid.error().sys_errno())
            return fail(Code::kNotFound, str_cat("fork/exec ", words[0], ": ", go_errno(err)));
        return std::unexpected(std::move(pid.error()));
    }
    int status = TRY(waiter.wait_child(*pid, limit));
    if (waiter.stopped()) return fail(Code::kUnavailable, "told to stop");
    if (status != 0) return fail(Code::kIo, describe_wait_status(status));
    return {};
}

bool is_own_kexec(const std::vector<std::string>& words, const std::vector<std::string>& env) {
    if (words.empty() || base_name(words[0]) != "kexec") return false;
    std::string path = find_program(words[0], env);
    if (path.empty()) return true;
    struct stat theirs{}, ours{};
    return ::stat(path.c_str(), &theirs) == 0 && ::stat("/proc/self/exe", &ours) == 0 &&
           theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

}  // namespace planetbox
