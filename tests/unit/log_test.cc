#include "base/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/files.h"

using namespace planetbox;

// Catches: a peer's text that forges a field, a line, or eats the closing quote.
TEST_CASE("lines are logfmt whatever the values are") {
    auto line = [](std::string value) {
        return log_format(LogLevel::kInfo, "bootd", "said", {{"v", std::move(value)}});
    };
    CHECK(line("plain-1.2/3:4") == R"(info bootd "said" v=plain-1.2/3:4)");
    CHECK(line("") == R"(info bootd "said" v="")");
    CHECK(line("two words") == R"(info bootd "said" v="two words")");
    CHECK(line("a=b") == R"(info bootd "said" v="a=b")");
    CHECK(line("a\"b") == R"(info bootd "said" v="a\"b")");
    CHECK(line("ends in \\") == R"(info bootd "said" v="ends in \\")");
    CHECK(line("x\\x0A") == R"(info bootd "said" v="x\\x0A")");
    CHECK(line("x\n level=error") == R"(info bootd "said" v="x\x0A level=error")");
    CHECK(line("\x1b[31m") == R"(info bootd "said" v="\x1B[31m")");
    CHECK(line(std::string(5000, 'x')).size() < 2100);
    CHECK(line(std::string(5000, '\\')).size() < 2100);
    CHECK(log_format(LogLevel::kError, "a", "b \"c\"", {}) == R"(error a "b \"c\"")");
}

TEST_CASE("events carry the time and are filtered by level") {
    TempDir dir = std::move(TempDir::create().value());
    std::string path = dir.path() + "/log";
    UniqueFd fd = std::move(open_file(path, O_WRONLY | O_CREAT).value());
    log_set_fd(fd.get());
    log_debug("a", "hidden");
    log_info("a", "shown", {{"k", "v"}});
    log_set_level(LogLevel::kError);
    log_warning("a", "hidden");
    log_error("a", "also shown");
    log_set_level(LogLevel::kInfo);
    log_set_fd(2);
    std::string text = read_file(path, 4096).value();
    CHECK(text.find("hidden") == std::string::npos);
    size_t space = text.find(' ');
    CHECK(space == 24);
    CHECK(parse_rfc3339(text.substr(0, space)).has_value());
    CHECK(text.substr(space).starts_with(" info a \"shown\" k=v\n"));
    CHECK(text.ends_with(" error a \"also shown\"\n"));
}
