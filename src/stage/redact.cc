#include "stage/redact.h"

#include "base/strings.h"

namespace planetbox {

namespace {

constexpr std::string_view kHidden = "...";
constexpr std::string_view kBootPath = "/v1/boot/";
// What ends a URL's part wherever it stands: in JSON, a command line, Go's quotes, a sentence.
constexpr std::string_view kEnds = "/?&#'\"`\\<> \t\r\n,;)]}";

size_t end_of_part(std::string_view text, size_t at) {
    return std::min(text.find_first_of(kEnds, at), text.size());
}

bool is_stage_file(std::string_view part) { return part == "stage1.ipxe" || part == "stage1.json"; }

std::string hide_session_ids(std::string_view text) {
    std::string out;
    size_t copied = 0;
    for (size_t at = text.find(kBootPath); at != std::string_view::npos;
         at = text.find(kBootPath, at + 1)) {
        size_t host_end = end_of_part(text, at + kBootPath.size());
        if (host_end == text.size() || text[host_end] != '/') continue;
        size_t id_end = end_of_part(text, host_end + 1);
        if (is_stage_file(text.substr(host_end + 1, id_end - host_end - 1))) continue;
        if (host_end + 1 < copied) continue;
        out += text.substr(copied, host_end + 1 - copied);
        out += kHidden;
        copied = id_end;
    }
    out += text.substr(copied);
    return out;
}

// Hides what follows each `mark` up to the end of that part.
std::string hide_after(std::string_view text, const std::string& mark) {
    std::string out;
    size_t copied = 0;
    for (size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark, copied)) {
        const size_t value = at + mark.size();
        out += text.substr(copied, value - copied);
        out += kHidden;
        copied = end_of_part(text, value);
    }
    out += text.substr(copied);
    return out;
}

}  // namespace

std::string redact(std::string_view text) {
    std::string out = hide_session_ids(text);
    for (std::string_view name : {"key", "p", "token", "password", "session"})
        for (std::string_view before : {"?", "&"})
            out = hide_after(out, str_cat(before, name, "="));
    return out;
}

}  // namespace planetbox
