// Small helpers on text.  Nothing here allocates more than its result or looks at a locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace planetbox {

// printf into a string (std::format is not in GCC 12).
[[gnu::format(printf, 1, 2)]] std::string strf(const char* format, ...);

// Concatenates anything that converts to string_view.
template <typename... Parts>
std::string str_cat(const Parts&... parts) {
    std::string out;
    out.reserve((std::string_view(parts).size() + ... + 0));
    (out.append(std::string_view(parts)), ...);
    return out;
}

// Splits at every separator; "" yields one empty piece, "a," yields two.
std::vector<std::string_view> split(std::string_view text, char separator);
// Splits at runs of spaces, tabs, CR and LF; yields no empty pieces.
std::vector<std::string_view> split_words(std::string_view text);
// Splits at the first separator; nullopt when there is none.
std::optional<std::pair<std::string_view, std::string_view>> split_once(std::string_view text,
                                                                        char separator);
std::string join(const std::vector<std::string>& pieces, std::string_view separator);
std::string_view trim(std::string_view text);  // spaces, tabs, CR, LF at both ends
std::string lower_ascii(std::string_view text);
bool iequals_ascii(std::string_view a, std::string_view b);
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

// Whole-string decimal numbers: no sign for the unsigned one, no spaces, no overflow.
std::optional<int64_t> parse_int(std::string_view text);
std::optional<uint64_t> parse_uint(std::string_view text);

bool is_utf8(std::string_view text);
// Makes text from outside safe to print on a console or in a log: control characters and invalid
// UTF-8 become \xHH.  At most `limit` bytes of input are shown, then "...".
std::string printable(std::string_view text, size_t limit = 200);

// "1.4 MiB", "512 B": for people.
std::string human_bytes(uint64_t bytes);

}  // namespace planetbox
