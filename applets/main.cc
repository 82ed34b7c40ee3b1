// The multiplexer: finds the applet by the name of the link that was called, or by the first
// argument, and runs it. Knows nothing else; what it prints about applets comes from the table.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "applet.h"
#include "applets_table.h"
#include "completion.h"
#include "version.h"

namespace planetbox {
namespace {

constexpr std::string_view kProgram = "planetbox";

const Applet* find_applet(std::string_view name) {
    for (const Applet& applet : kApplets)
        if (applet.name == name) return &applet;
    return nullptr;
}

// Levenshtein distance; names are short, so the plain table will do.
size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
            diagonal = above;
        }
    }
    return row[b.size()];
}

int unknown_applet(std::string_view name) {
    const Applet* nearest = nullptr;
    size_t best = 4;  // further than this is not a slip of the finger
    for (const Applet& applet : kApplets) {
        const size_t distance = edit_distance(name, applet.name);
        if (distance < best && distance < std::max(name.size(), applet.name.size())) {
            best = distance;
            nearest = &applet;
        }
    }
    fprintf(stderr, "planetbox: there is no applet '%.*s'", int(name.size()), name.data());
    if (nearest)
        fprintf(stderr, "; did you mean '%.*s'?\n", int(nearest->name.size()),
                nearest->name.data());
    else
        fputs("; 'planetbox --list' names them all\n", stderr);
    return kExitUnknown;
}

void print_usage(FILE* out) {
    fputs(
        "Usage: planetbox APPLET [ARGUMENT]...\n"
        "       APPLET [ARGUMENT]...        through a link of that name\n"
        "       planetbox --list            names of the applets, one a line\n"
        "       planetbox --install [-s] DIR  make a hard link (-s: symbolic) for each in DIR\n"
        "       planetbox --completion bash|zsh|fish\n"
        "       planetbox --version\n"
        "\n"
        "Everything a fleet of bare-metal nodes needs, in one executable. Applets:\n"
        "\n",
        out);
    for (const Applet& applet : kApplets)
        fprintf(out, "  %-20.*s %.*s\n", int(applet.name.size()), applet.name.data(),
                int(applet.summary.size()), applet.summary.data());
    fputs("\n'planetbox APPLET --help' explains one.\n", out);
}

int bad_usage(const std::string& what) {
    fprintf(stderr, "planetbox: %s; try 'planetbox --help'\n", what.c_str());
    return kExitUsage;
}

int install_failed(const std::string& path) {
    fprintf(stderr, "planetbox: install %s: %s\n", path.c_str(), strerror(errno));
    return kExitFailure;
}

// Puts `target` at `path`, replacing what is there in one step (a running system may be using it).
bool place_link(const std::string& target, const std::string& path, bool symbolic) {
    const std::string fresh = path + ".new";
    unlink(fresh.c_str());
    const int made =
        symbolic ? symlink(target.c_str(), fresh.c_str()) : link(target.c_str(), fresh.c_str());
    if (made != 0) return false;
    // rename() of two names of one file does nothing and leaves both.
    if (rename(fresh.c_str(), path.c_str()) != 0) return false;
    unlink(fresh.c_str());
    return true;
}

int install_links(int argc, char** argv) {
    bool symbolic = false;
    std::string dir;
    for (int i = 2; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "-s")
            symbolic = true;
        else if (word.starts_with("-") || !dir.empty())
            return bad_usage("--install: did not expect '" + std::string(word) + "'");
        else
            dir = word;
    }
    if (dir.empty()) return bad_usage("--install wants a directory");

    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0) return install_failed("/proc/self/exe");
    self[length] = '\0';
    for (const Applet& applet : kApplets) {
        const std::string path = dir + "/" + std::string(applet.name);
        if (place_link(self, path, symbolic)) continue;
        if (errno == EXDEV)
            return bad_usage("--install: " + dir +
                             " is on another file system than planetbox; use -s or copy it first");
        return install_failed(path);
    }
    return kExitOk;
}

int planetbox_main(int argc, char** argv) {
    if (argc < 2) {
        print_usage(stderr);
        return kExitUsage;
    }
    const std::string_view word = argv[1];
    if (word == "--help" || word == "-h" || word == "help") {
        print_usage(stdout);
        return kExitOk;
    }
    if (word == "--list") {
        for (const Applet& applet : kApplets)
            printf("%.*s\n", int(applet.name.size()), applet.name.data());
        return kExitOk;
    }
    if (word == "--version") {
        printf("planetbox %s\n", version_text().c_str());
        return kExitOk;
    }
    if (word == "--install") return install_links(argc, argv);
    if (word == "--completion") {
        if (argc != 3) return bad_usage("--completion wants one of bash, zsh, fish");
        const std::string script = completion_script(argv[2], kApplets);
        if (script.empty())
            return bad_usage("--completion: '" + std::string(argv[2]) +
                             "' is none of bash, zsh, fish");
        fputs(script.c_str(), stdout);
        return kExitOk;
    }
    if (word.starts_with("-")) return bad_usage("did not expect '" + std::string(word) + "'");
    const Applet* applet = find_applet(word);
    if (!applet) return unknown_applet(word);
    return applet->main(argc - 1, argv + 1);
}

// The name we were called by: no directory, no dash of a login shell.
std::string_view called_as(const char* argv0) {
    std::string_view name = argv0 ? argv0 : kProgram;
    if (const size_t slash = name.rfind('/'); slash != name.npos) name.remove_prefix(slash + 1);
    if (name.starts_with("-")) name.remove_prefix(1);
    return name;
}

int dispatch(int argc, char** argv) {
    if (argc < 1) return kExitUsage;
    const std::string_view name = called_as(argv[0]);
    if (const Applet* applet = find_applet(name)) {
        argv[0] = const_cast<char*>(applet->name.data());  // from a literal, so zero-terminated
        return applet->main(argc, argv);
    }
    return planetbox_main(argc, argv);
}

}  // namespace
}  // namespace planetbox

// What libstdc++ calls for an exception that nobody may catch. Its own prints the type's name in
// words, and the demangler for that is 50 KB. Defined here, it is not linked.
namespace __gnu_cxx {
void __verbose_terminate_handler() {
    fputs("planetbox: an exception left a noexcept function\n", stderr);
    abort();
}
}  // namespace __gnu_cxx

// Nothing of ours throws; what arrives here is the C++ library out of memory or a bug.
int main(int argc, char** argv) {
    try {
        return planetbox::dispatch(argc, argv);
    } catch (const std::exception& problem) {
        fprintf(stderr, "planetbox: unexpected: %s\n", problem.what());
    } catch (...) {
        fputs("planetbox: unexpected exception\n", stderr);
    }
    return planetbox::kExitFailure;
}
