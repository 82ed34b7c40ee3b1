#include "wire/script_template.h"

#include <doctest/doctest.h>

using namespace planetbox;

TEST_CASE("placeholders are filled, everything else stays as it is") {
    auto out = fill_script("set host {{host}}\necho ${host} {{ host }}{}\n", {{"host", "n1"}});
    REQUIRE(out);
    CHECK(*out == "set host n1\necho ${host} n1{}\n");
}

TEST_CASE("a value is not searched for placeholders again") {
    auto out = fill_script("{{a}}", {{"a", "{{b}}"}});
    REQUIRE(out);
    CHECK(*out == "{{b}}");
}

TEST_CASE("a missing value and an open brace are errors, not empty text") {
    CHECK(fill_script("x {{nope}}", {{"a", "b"}}).error().message() ==
          "script template: there is no value for {{nope}}");
    CHECK_FALSE(fill_script("x {{a", {{"a", "b"}}));
    CHECK_FALSE(fill_script("x {{A}}", {{"A", "b"}}));
    CHECK_FALSE(fill_script("{{}}", {}));
}

TEST_CASE(
    "every embedded template begins as an iPXE script or is plain text, and is found by name") {
    for (const ScriptTemplate& entry : script_templates()) {
        if (entry.name.empty()) continue;
        auto found = find_script_template(entry.name);
        REQUIRE(found);
        CHECK(*found == entry.text);
        if (entry.name.ends_with(".ipxe")) CHECK(entry.text.starts_with("#!ipxe\n"));
    }
    CHECK_FALSE(find_script_template("no-such.ipxe"));
}

TEST_CASE("words that would break a script line are told apart") {
    CHECK(is_script_word("https://c.example:8443/v1/boot/n1/stage1.ipxe?key=a+b/_-"));
    for (const char* bad : {"", "a b", "a\nb", "${x}", "a\"", "#x", "a|b", "a&&b", "\xc3\xa9"})
        CHECK_FALSE(is_script_word(bad));
}
