#include "base/json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "base/strings.h"

using namespace planetbox;

namespace {

json::Document must_parse(std::string_view text) {
    auto document = json::parse(text);
    if (!document) FAIL(document.error().message());
    return std::move(*document);
}

}  // namespace

TEST_CASE("look-ups that miss end in nothing, however long the chain") {
    auto document = must_parse(R"({"a":{"b":[1,"x",null,true,2.5]}})");
    json::Value root = document.root();
    CHECK(root["a"]["b"].at(0).as_int() == 1);
    CHECK(root["a"]["b"].at(1).as_string() == "x");
    CHECK(root["a"]["b"].at(2).is_null());
    CHECK(root["a"]["b"].at(3).as_bool() == true);
    CHECK(root["a"]["b"].at(4).as_double() == 2.5);
    CHECK(root["a"]["b"].size() == 5);
    CHECK(root["a"].size() == 1);
    json::Value missing = root["x"]["y"].at(7)["z"];
    CHECK(!missing.exists());
    CHECK(!missing.as_string());
    CHECK(!missing.is_null());
    CHECK(missing.items().empty());
    CHECK(missing.members().empty());
    CHECK(missing.size() == 0);
    CHECK(missing.dump() == "");
    CHECK(missing.type_name() == "nothing");
    CHECK(missing.string_or("f") == "f");
    CHECK(!root["a"]["b"].at(5).exists());
    CHECK(root["a"].dump() == R"({"b":[1,"x",null,true,2.5]})");
    CHECK(json::Value().type_name() == "nothing");
}

// Catches: 1.0 or "1" taken for 1, and an integer that wraps.
TEST_CASE("numbers keep their kind and range") {
    auto document = must_parse(
        R"([9223372036854775807,-9223372036854775808,9223372036854775808,1.0,"1",1e2,true])");
    json::Value v = document.root();
    CHECK(v.at(0).as_int() == INT64_MAX);
    CHECK(v.at(1).as_int() == INT64_MIN);
    CHECK(!v.at(2).as_int());
    CHECK(!v.at(3).as_int());
    CHECK(!v.at(4).as_int());
    CHECK(!v.at(4).as_double());
    CHECK(v.at(5).as_double() == 100);
    CHECK(!v.at(6).as_int());
    CHECK(v.at(0).as_double() == 9223372036854775808.0);
}

TEST_CASE("of a doubled name the last counts, as in Go, and both are listed") {
    auto document = must_parse(R"({"a":1,"b":2,"a":3})");
    CHECK(document.root()["a"].as_int() == 3);
    auto members = document.root().members();
    REQUIRE(members.size() == 3);
    CHECK(members[0].first == "a");
    CHECK(members[1].first == "b");
    CHECK(members[2].second.as_int() == 3);
}

TEST_CASE("strings: escapes, surrogate pairs, an escaped NUL") {
    auto document = must_parse(R"(["\u00e9\ud834\udd1e\n","a\u0000b"])");
    CHECK(document.root().at(0).as_string() == "é𝄞\n");
    CHECK(document.root().at(1).as_string() == std::string_view("a\0b", 3));
}

TEST_CASE("what is not JSON is refused with the place") {
    for (const char* bad : {"",
                            " ",
                            "{",
                            "[1,]",
                            "{\"a\":1,}",
                            "{a:1}",
                            "'a'",
                            "[1 2]",
                            "// c\n1",
                            "01",
                            "+1",
                            ".5",
                            "1.",
                            "NaN",
                            "Infinity",
                            "1e999",
                            "\"\n\"",
                            "\"\\x\"",
                            "\"\\ud800\"",
                            "\"\xff\"",
                            "1 1",
                            "tru",
                            "\xEF\xBB\xBF{}"}) {
        CAPTURE(bad);
        auto document = json::parse(bad);
        REQUIRE(!document);
        CHECK(document.error().code() == Code::kInvalid);
    }
    auto document = json::parse("{\n  \"a\": 1,\n  \"b\" 2\n}");
    REQUIRE(!document);
    CHECK(document.error().message().find("line 3, column 7") != std::string::npos);
}

// Catches: a text that overflows the stack of whoever walks the tree, and brackets inside of
// strings counted as depth.
TEST_CASE("limits: size and depth") {
    auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    CHECK(json::parse(nested(64)).has_value());
    auto deep = json::parse(nested(65));
    REQUIRE(!deep);
    CHECK(deep.error().code() == Code::kInvalid);
    CHECK(deep.error().message().find("deeper than 64") != std::string::npos);
    CHECK(json::parse("[\"" + std::string(100, '[') + "\\\"" + std::string(100, '{') + "\"]")
              .has_value());
    CHECK(!json::parse(std::string(1'000'000, '[')));
    CHECK(json::parse("[1]", 3).has_value());
    auto large = json::parse("[1]", 2);
    REQUIRE(!large);
    CHECK(large.error().code() == Code::kTooLarge);
}

TEST_CASE("a document moves") {
    json::Document a = must_parse("[1]");
    json::Document b = std::move(a);
    CHECK(b.root().at(0).as_int() == 1);
    a = must_parse("[2]");
    b = std::move(a);
    CHECK(b.root().at(0).as_int() == 2);
}

TEST_CASE("the writer: compact and indented as Go's MarshalIndent") {
    auto write = [](int indent) {
        json::Writer w(indent);
        w.begin_object().field("a", 1).key("b").begin_array();
        w.string("x").number(0.5).boolean(false).null().raw("{\"r\":1}");
        w.begin_object().end_object().begin_array().end_array();
        w.end_array().field("c", "d").field("e", true).end_object();
        return w.take();
    };
    CHECK(write(0) == R"({"a":1,"b":["x",0.5,false,null,{"r":1},{},[]],"c":"d","e":true})");
    CHECK(
        write(2) ==
        "{\n  \"a\": 1,\n  \"b\": [\n    \"x\",\n    0.5,\n    false,\n    null,\n    {\"r\":1},\n"
        "    {},\n    []\n  ],\n  \"c\": \"d\",\n  \"e\": true\n}");
}

// Catches: output that a strict parser (our own first of all) refuses.
TEST_CASE("whatever is written can be read back") {
    std::string all;
    for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
    all += "é€𝄞";
    json::Writer w;
    w.begin_object().field(all, all).end_object();
    auto document = must_parse(w.text());
    CHECK(document.root()[all].as_string() == all);

    json::Writer broken;
    broken.string(
        "a\xff"
        "b\xc3");
    CHECK(must_parse(broken.text()).root().as_string() ==
          "a\xEF\xBF\xBD"
          "b\xEF\xBF\xBD");

    for (double value : {0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, -1.5, 1e15}) {
        json::Writer number;
        number.number(value);
        CHECK(must_parse(number.text()).root().as_double() == value);
    }
    for (double value : {std::nan(""), std::numeric_limits<double>::infinity()}) {
        json::Writer number;
        number.number(value);
        CHECK(number.text() == "null");
    }
    json::Writer number;
    number.number(INT64_MIN);
    CHECK(must_parse(number.text()).root().as_int() == INT64_MIN);
}
