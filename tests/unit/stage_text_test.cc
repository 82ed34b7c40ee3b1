// Words, values and templates as Go's epoxy_client reads and prints them.  The expected values were
// taken from the Go program itself.
#include "base/json.h"
#include "stage/go_template.h"
#include "stage/go_text.h"
#include "stage/shell_words.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

using Words = std::vector<std::string>;

std::string print(const char* text) { return go_print(json::parse(text)->root()); }
std::string describe(const char* text) { return go_describe(json::parse(text)->root()); }

std::string expand(std::string_view text, const TemplateScope& scope) {
    Result<std::string> out = expand_template(text, scope);
    return out ? *out : "error: " + out.error().message();
}

}  // namespace

TEST_CASE("shell words: catches quoting that differs from what actions were written for") {
    struct Row {
        const char* text;
        Words want;
    };
    const Row rows[] = {
        {"", {}},
        {"  \t\r\n ", {}},
        {"# only a comment", {}},
        {"true okay", {"true", "okay"}},
        {"a # rest\nb", {"a", "b"}},
        {"a#b c#", {"a#b", "c#"}},
        {"/bin/x --command=\"a b\" c", {"/bin/x", "--command=a b", "c"}},
        {"'a b'\"c d\"e", {"a bc de"}},
        {"'' \"\"", {"", ""}},
        {"a\\ b \\# \\\"", {"a b", "#", "\""}},
        {"\"a\\\"b\\\\c\\n\"", {"a\"b\\cn"}},
        {"'a\\'", {"a\\"}},
        {"\"# no comment\"", {"# no comment"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        Result<Words> words = split_shell_words(row.text);
        REQUIRE(words);
        CHECK(*words == row.want);
    }
}

TEST_CASE("shell words: errors have epoxy_client's text, which operators search for") {
    for (const char* text : {"\"a", "'a", "a 'b c", "a\"", "\"a\\\""})
        CHECK(split_shell_words(text).error().message() ==
              "EOF found when expecting closing quote");
    for (const char* text : {"a\\", "\\", "\"a\\"})
        CHECK(split_shell_words(text).error().message() == "EOF found after escape character");
}

TEST_CASE("numbers, null and nested values print as Go prints them") {
    CHECK(print("1000000") == "1e+06");
    CHECK(print("999999") == "999999");
    CHECK(print("1000001") == "1.000001e+06");
    CHECK(print("123456789") == "1.23456789e+08");
    CHECK(print("12345678901") == "1.2345678901e+10");
    CHECK(print("1e21") == "1e+21");
    CHECK(print("1.5e300") == "1.5e+300");
    CHECK(print("0.0001") == "0.0001");
    CHECK(print("0.00001") == "1e-05");
    CHECK(print("-0.5") == "-0.5");
    CHECK(print("3") == "3");
    CHECK(print("0") == "0");
    CHECK(print("null") == "<nil>");
    CHECK(print("true") == "true");
    CHECK(print("[1,\"a b\",null,true,{\"b\":[1],\"a\":null}]") ==
          "[1 a b <nil> true map[a:<nil> b:[1]]]");
    CHECK(print("{\"a\":1,\"a\":2}") == "map[a:2]");
}

TEST_CASE("an unsupported value is described as Go describes it") {
    CHECK(describe("3") == "float64 3");
    CHECK(describe("true") == "bool true");
    CHECK(describe("null") == "<nil> <nil>");
    CHECK(describe("{\"x\":[1,\"q\\\"\",null,true,1e21],\"y\":{}}") ==
          "map[string]interface {} map[string]interface {}{\"x\":[]interface {}{1, \"q\\\"\", "
          "interface {}(nil), true, 1e+21}, \"y\":map[string]interface {}{}}");
}

TEST_CASE("words of a message are quoted as Go quotes them") {
    CHECK(go_quote(Words{}) == "[]");
    CHECK(go_quote(Words{"false"}) == "[\"false\"]");
    CHECK(go_quote(Words{"a b", "$x`'"}) == "[\"a b\" \"$x`'\"]");
    CHECK(go_quote("\x01\x7f\n\t\"\\\xC3\xA9\xC2\x85\xFF") ==
          "\"\\x01\\x7f\\n\\t\\\"\\\\\xC3\xA9\\u0085\\xff\"");
    CHECK(go_quote("\xE2\x82") == "\"\\xe2\\x82\"");
}

TEST_CASE("templates: the forms of production actions") {
    const Kargs kargs{{"epoxy.ip", "1.2.3.4"}, {"braces", "{{.vars.a}}"}, {"space", "  "}};
    const TemplateVars vars{{"a", "A"}, {"b_1", "B"}};
    const TemplateFiles files{{"initram", {{"name", "/tmp/initram-1"}, {"url", "https://h/i"}}}};
    const TemplateScope all{.kargs = &kargs, .vars = &vars, .files = &files};
    struct Row {
        const char* text;
        const char* want;
    };
    const Row rows[] = {
        {"", ""},
        {"plain } text {", "plain } text {"},
        {"ip={{kargs `epoxy.ip`}}.", "ip=1.2.3.4."},
        {"{{kargs \"epoxy.ip\"}}", "1.2.3.4"},
        {"{{ kargs `epoxy.ip` }}", "1.2.3.4"},
        {"{{kargs`epoxy.ip`}}", "1.2.3.4"},
        {"[{{kargs `missing`}}]", "[]"},
        {"{{kargs `braces`}}", "{{.vars.a}}"},
        {"{{.vars.a}}{{.vars.b_1}}", "AB"},
        {"{{.vars.missing}}", "<no value>"},
        {"{{.files.initram.name}} {{.files.initram.url}}", "/tmp/initram-1 https://h/i"},
        {"{{.files.initram.sha256}} {{.files.other.name}}", "<no value> <no value>"},
        {"{{.kargs.x}}", "<no value>"},
        {"a  {{- `x` -}}  b", "axb"},
        {"a \n{{- /* gone */ -}}\n b", "ab"},
        {"a {{/* x }} y */}} b", "a  b"},
        {"{{`{{`}}", "{{"},
        {"{{`}}`}} {{\"}}\\n\"}}", "}} }}\n"},
        {"{{kargs `space`}}{{- `x`}}", "  x"},
        {"{{-3}}",
         "error: template: {{-3}} is not understood; known are {{kargs `name`}}, "
         "{{.vars.name}}, {{.files.name.KEY}}, {{`text`}} and comments"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(expand(row.text, all) == row.want);
    }
    CHECK(expand("{{.vars.a}}", {.kargs = &kargs}) == "<no value>");
}

TEST_CASE("templates: every other form is an error that names it") {
    const Kargs kargs{{"a", "1"}};
    const TemplateScope scope{.kargs = &kargs};
    for (const char* form : {"if .vars.a",
                             "end",
                             "range .vars",
                             "printf \"%s\" 1",
                             "kargs",
                             "kargs a",
                             "kargs `a` `b`",
                             "kargs `a` | len",
                             "`a` | kargs",
                             "$x",
                             ".",
                             ".vars",
                             ".files",
                             ".files.a",
                             ".vars.a.b",
                             ".vars.a-b",
                             ".vars.",
                             "(kargs `a`)",
                             "kargsx `a`",
                             "kargs \"\\q\"",
                             "3",
                             "nil"}) {
        CAPTURE(form);
        Result<std::string> out = expand_template(std::string("x{{") + form + "}}", scope);
        REQUIRE_FALSE(out);
        CHECK(out.error().code() == Code::kInvalid);
        CHECK(out.error().message().find(form) != std::string::npos);
    }
    CHECK(expand("{{kargs `a`", scope) == "error: template: unclosed action");
    CHECK(expand("{{kargs `a}}", scope) == "error: template: unclosed action");
    CHECK(expand("{{/* a }}", scope) == "error: template: unclosed comment");
    CHECK(expand("{{/* a */ x}}", scope) ==
          "error: template: comment ends before closing delimiter");
    CHECK(expand("{{}}", scope) == "error: template: {{}} is empty");
}

TEST_CASE("templates: a result is bounded: catches a small action that fills the memory") {
    const Kargs kargs{{"a", std::string(60'000, 'x')}};
    Result<std::string> out =
        expand_template("{{kargs `a`}}{{kargs `a`}}{{kargs `a`}}", {.kargs = &kargs});
    REQUIRE_FALSE(out);
    CHECK(out.error().code() == Code::kTooLarge);
}
