#include "base/bytes.h"

#include <doctest/doctest.h>

using namespace planetbox;

TEST_CASE("hex both ways") {
    CHECK(hex(as_bytes(std::string_view("\x00\xff\x1a", 3))) == "00ff1a");
    CHECK(unhex("00FF1a") == std::string("\x00\xff\x1a", 3));
    CHECK(unhex("") == "");
    for (const char* bad : {"0", "0g", " 00", "0x00", "00 "}) CHECK(!unhex(bad));
}

// RFC 4648 section 10.
TEST_CASE("base64: the RFC's own examples") {
    const char* const pairs[][2] = {{"", ""},
                                    {"f", "Zg=="},
                                    {"fo", "Zm8="},
                                    {"foo", "Zm9v"},
                                    {"foob", "Zm9vYg=="},
                                    {"fooba", "Zm9vYmE="},
                                    {"foobar", "Zm9vYmFy"}};
    for (auto [plain, encoded] : pairs) {
        CAPTURE(plain);
        CHECK(base64(as_bytes(plain)) == encoded);
        CHECK(unbase64(encoded) == plain);
        std::string bare = encoded;
        while (bare.ends_with('=')) bare.pop_back();
        CHECK(base64url(as_bytes(plain)) == bare);
        CHECK(unbase64url(bare) == plain);
    }
    CHECK(base64(as_bytes("\xfb\xff\xbf")) == "+/+/");
    CHECK(base64url(as_bytes("\xfb\xff\xbf")) == "-_-_");
}

// Catches: two texts for one token (trailing bits, padding, line breaks), which a table of used
// tokens would take for two.
TEST_CASE("base64 decoding is strict") {
    for (const char* bad : {"Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=", "Zm9v\n",
                            " Zm9v", "Zm 9v", "Zg==Zg==", "Zm9v====", "Zm-v", "Z", "Zm9vZ"}) {
        CAPTURE(bad);
        CHECK(!unbase64(bad));
    }
    for (const char* bad : {"Zg==", "Zh", "Z", "Zm9", "Zm+v", "Zm9v\n"}) {
        CAPTURE(bad);
        CHECK(!unbase64url(bad));
    }
    CHECK(!unbase64(std::string_view("AA\0A", 4)));
}

TEST_CASE("every byte survives") {
    std::string all;
    for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
    for (size_t length = 0; length <= all.size(); ++length) {
        std::string part = all.substr(all.size() - length);
        CHECK(unbase64(base64(as_bytes(part))) == part);
        CHECK(unbase64url(base64url(as_bytes(part))) == part);
        CHECK(unhex(hex(as_bytes(part))) == part);
    }
}

TEST_CASE("constant-time comparison compares") {
    CHECK(equal_constant_time("", ""));
    CHECK(equal_constant_time("abc", "abc"));
    CHECK(!equal_constant_time("abc", "abd"));
    CHECK(!equal_constant_time("abc", "ab"));
    CHECK(!equal_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
    CHECK(!equal_constant_time("\x80", std::string_view("\0", 1)));
}
