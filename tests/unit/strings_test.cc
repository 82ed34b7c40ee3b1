#include "base/strings.h"

#include <doctest/doctest.h>

#include <cstdint>

using namespace planetbox;

using Views = std::vector<std::string_view>;

TEST_CASE("strf formats any length; str_cat joins") {
    CHECK(strf("%d-%s", 7, "x") == "7-x");
    CHECK(strf("%s", "") == "");
    std::string longer(100'000, 'a');
    CHECK(strf("%s!", longer.c_str()) == longer + "!");
    CHECK(str_cat("a", std::string("b"), std::string_view("c")) == "abc");
}

// Catches: a lost empty field, which shifts every field after it.
TEST_CASE("split keeps empty pieces, split_words has none") {
    CHECK(split("", ',') == Views{""});
    CHECK(split("a,", ',') == Views{"a", ""});
    CHECK(split(",a,,b", ',') == Views{"", "a", "", "b"});
    CHECK(split_words("") == Views{});
    CHECK(split_words(" \t\r\n ") == Views{});
    CHECK(split_words("  a\tb\r\nc ") == Views{"a", "b", "c"});
    CHECK(!split_once("abc", '='));
    CHECK(split_once("a=b=c", '=')->first == "a");
    CHECK(split_once("a=b=c", '=')->second == "b=c");
    CHECK(join({"a", "", "b"}, ", ") == "a, , b");
    CHECK(trim(" \t a b \r\n") == "a b");
    CHECK(trim(" \n") == "");
}

TEST_CASE("case is folded for ASCII only") {
    CHECK(lower_ascii("ÄBC-Z[") == "Äbc-z[");
    CHECK(iequals_ascii("Content-Type", "content-TYPE"));
    CHECK(!iequals_ascii("a", "ab"));
    CHECK(!iequals_ascii("@", "`"));  // 32 apart, but no letters
}

TEST_CASE("replace_all") {
    CHECK(replace_all("aaa", "a", "aa") == "aaaaaa");
    CHECK(replace_all("abc", "", "x") == "abc");
    CHECK(replace_all("{{V}}/{{V}}", "{{V}}", "1") == "1/1");
}

// Catches: "12abc" read as 12, an overflow that wraps, "+1", " 1", "0x10".
TEST_CASE("numbers are whole strings and in range") {
    CHECK(parse_int("-9223372036854775808") == INT64_MIN);
    CHECK(parse_int("9223372036854775807") == INT64_MAX);
    CHECK(!parse_int("9223372036854775808"));
    CHECK(parse_uint("18446744073709551615") == UINT64_MAX);
    CHECK(!parse_uint("18446744073709551616"));
    for (const char* bad : {"", "-", "+1", " 1", "1 ", "1.0", "0x10", "12abc", "--1", "٣"}) {
        CAPTURE(bad);
        CHECK(!parse_int(bad));
        CHECK(!parse_uint(bad));
    }
    CHECK(!parse_uint("-1"));
    CHECK(!parse_uint(std::string_view("1\0", 2)));
}

// Catches: overlong forms and surrogates, the classic ways around a check.
TEST_CASE("UTF-8 as RFC 3629 has it") {
    for (const char* good : {"", "a", "é", "€", "𝄞", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"}) {
        CAPTURE(good);
        CHECK(is_utf8(good));
    }
    for (const char* bad : {"\xC0\xAF", "\xE0\x80\xAF", "\xF0\x80\x80\xAF", "\xED\xA0\x80",
                            "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "a\xC3", "\xE2\x82"}) {
        CAPTURE(bad);
        CHECK(!is_utf8(bad));
    }
}

// Catches: a terminal driven by a peer's bytes (ESC, C1 controls), a line that forges another.
TEST_CASE("printable shows control characters and broken bytes, keeps text, and is bounded") {
    CHECK(printable("plain é €") == "plain é €");
    CHECK(printable("a\n\x1b[2J\x7f") == "a\\x0A\\x1B[2J\\x7F");
    CHECK(printable("\xC2\x9B") == "\\xC2\\x9B");
    CHECK(printable("\xFFz") == "\\xFFz");
    CHECK(printable(std::string_view("\0", 1)) == "\\x00");
    CHECK(printable("abcdef", 3) == "abc...");
    CHECK(printable("abc", 3) == "abc");
}

TEST_CASE("bytes for people") {
    CHECK(human_bytes(0) == "0 B");
    CHECK(human_bytes(1023) == "1023 B");
    CHECK(human_bytes(1024) == "1.0 KiB");
    CHECK(human_bytes(1468006) == "1.4 MiB");
    CHECK(human_bytes(50ull << 30) == "50 GiB");
    CHECK(human_bytes(UINT64_MAX) == "16384 PiB");
}
