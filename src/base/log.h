// The log: one logfmt line an event, on stderr (which systemd keeps) or, for PID 1, on /dev/kmsg.
//
//     log_info("bootd", "stage1 answered", {{"host", host}, {"stage", "stage1.ipxe"}});
//     2026-11-21T10:12:30.123Z info bootd "stage1 answered" host=n1.example stage=stage1.ipxe
//
// The sink is the one global of planetbox.  Library code (src/) logs at debug only, except the
// long-running service classes.  Values from outside are escaped; secrets are never passed in.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace planetbox {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
    std::string_view key;
    std::string value;
};
using LogFields = std::initializer_list<LogField>;

void log_event(LogLevel level, std::string_view component, std::string_view message,
               LogFields fields = {});
inline void log_debug(std::string_view c, std::string_view m, LogFields f = {}) {
    log_event(LogLevel::kDebug, c, m, f);
}
inline void log_info(std::string_view c, std::string_view m, LogFields f = {}) {
    log_event(LogLevel::kInfo, c, m, f);
}
inline void log_warning(std::string_view c, std::string_view m, LogFields f = {}) {
    log_event(LogLevel::kWarning, c, m, f);
}
inline void log_error(std::string_view c, std::string_view m, LogFields f = {}) {
    log_event(LogLevel::kError, c, m, f);
}

void log_set_level(LogLevel least);  // default kInfo
void log_set_fd(int fd);             // default 2; the fd stays the caller's
// Formats as log_event does, without the time: for tests and for other sinks.
std::string log_format(LogLevel level, std::string_view component, std::string_view message,
                       LogFields fields);

}  // namespace planetbox
