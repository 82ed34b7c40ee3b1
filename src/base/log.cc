#include "base/log.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/strings.h"

namespace planetbox {

static LogLevel g_least = LogLevel::kInfo;
static int g_fd = 2;

void log_set_level(LogLevel least) { g_least = least; }
void log_set_fd(int fd) { g_fd = fd; }

static std::string_view level_name(LogLevel level) {
    switch (level) {
        case LogLevel::kDebug:
            return "debug";
        case LogLevel::kInfo:
            return "info";
        case LogLevel::kWarning:
            return "warning";
        case LogLevel::kError:
            return "error";
    }
    return "?";
}

// What most values are: nothing in them needs a look at UTF-8, quotes or backslashes.
static bool is_simple(std::string_view value) {
    if (value.empty() || value.size() > 2000) return false;
    for (unsigned char c : value)
        if (c < '!' || c > '~' || c == '=' || c == '"' || c == '\\') return false;
    return true;
}

// logfmt: quoted when it holds anything but plain characters; never longer than 2,000 bytes.
static void append_value(std::string& out, std::string_view value, bool always_quote) {
    if (is_simple(value)) {
        if (always_quote) out += '"';
        out += value;
        if (always_quote) out += '"';
        return;
    }
    // A backslash that was in the value is doubled, those that printable() adds are not: so `\x0A`
    // in a log is a line feed, and a value that ends in a backslash does not eat the closing quote.
    std::string safe = printable(replace_all(value.substr(0, 2001), "\\", "\\\\"), 2000);
    bool plain = !safe.empty() && safe.find_first_of(" =\"\\") == std::string::npos;
    if (plain && !always_quote) {
        out += safe;
        return;
    }
    out += '"';
    for (char c : safe) {
        if (c == '"') out += '\\';
        out += c;
    }
    out += '"';
}

std::string log_format(LogLevel level, std::string_view component, std::string_view message,
                       LogFields fields) {
    std::string line = str_cat(level_name(level), " ", component, " ");
    append_value(line, message, true);
    for (const LogField& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value, false);
    }
    return line;
}

void log_event(LogLevel level, std::string_view component, std::string_view message,
               LogFields fields) {
    if (level < g_least) return;
    WallTime now = RealClock().wall();
    auto millis = std::chrono::floor<Millis>(now).time_since_epoch().count() % 1000;
    std::string time = rfc3339(now);
    time.pop_back();
    std::string line = time + strf(".%03dZ ", static_cast<int>(millis)) +
                       log_format(level, component, message, fields) + "\n";
    // One write a line keeps lines of several processes whole; a failed log write has nobody to
    // tell.
    [[maybe_unused]] ssize_t written = ::write(g_fd, line.data(), line.size());
}

}  // namespace planetbox
