// The kernel command line: epoxy_client's rules, which production command lines rely on.
#include "wire/kargs.h"

#include <doctest/doctest.h>

using namespace planetbox;

TEST_CASE("words, values and the first equal sign: catches a parser that cuts URLs") {
    struct Row {
        const char* cmdline;
        Kargs want;
    };
    const Row rows[] = {
        {"", {}},
        {" \n", {}},
        {"key", {{"key", ""}}},
        {"key=", {{"key", ""}}},
        {"key=val", {{"key", "val"}}},
        {"  key=val  \n", {{"key", "val"}}},
        {"a=1 b=2", {{"a", "1"}, {"b", "2"}}},
        {"a=1  b=2", {{"a", "1"}, {"b", "2"}}},
        {"a=1 b=2=3", {{"a", "1"}, {"b", "2=3"}}},
        {"url=https://h/x?a=b&c=d quiet", {{"url", "https://h/x?a=b&c=d"}, {"quiet", ""}}},
        {"ide-core.nodma=0.1 epoxy.ipv4=10.0.0.2/24,10.0.0.1",
         {{"ide-core.nodma", "0.1"}, {"epoxy.ipv4", "10.0.0.2/24,10.0.0.1"}}},
        {"=x", {{"", "x"}}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.cmdline);
        CHECK(parse_kargs(row.cmdline) == row.want);
    }
}

TEST_CASE("the last of several wins: catches a parser that keeps the first") {
    CHECK(parse_kargs("console=tty0 console=ttyS0") == Kargs{{"console", "ttyS0"}});
    CHECK(parse_kargs("a=1 a") == Kargs{{"a", ""}});
}

TEST_CASE("quotes and tabs are ordinary characters: catches kernel-style quoting creeping in") {
    CHECK(parse_kargs("a=\"b c\"") == Kargs{{"a", "\"b"}, {"c\"", ""}});
    CHECK(parse_kargs("a=1\tb=2") == Kargs{{"a", "1\tb=2"}});
}

TEST_CASE("a missing name reads as empty, a missing file is an error that names it") {
    CHECK(karg(parse_kargs("a=1"), "b") == "");
    CHECK(karg(parse_kargs("a=1"), "a") == "1");
    Result<Kargs> kargs = read_kargs("/nonexistent/cmdline");
    REQUIRE_FALSE(kargs);
    CHECK(kargs.error().message().find("/nonexistent/cmdline") != std::string::npos);
}
