#include "central/config.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

Result<UpConfig> resolve_text(std::string_view text) {
    Settings settings;
    if (Status added = settings.add_file(text, "f.conf"); !added)
        return std::unexpected(added.error());
    settings.add_defaults();
    return resolve_settings(settings);
}

std::string complaint(std::string_view text) {
    Result<UpConfig> config = resolve_text(text);
    return config ? "" : config.error().message();
}

}  // namespace

TEST_CASE("defaults are complete and agree with each other") {
    Result<UpConfig> config = resolve_text("");
    REQUIRE(config);
    CHECK(config->listen == "::");
    CHECK(config->boot_port == 443);
    CHECK(config->api_port == 8443);
    CHECK(config->metrics_listen == "127.0.0.1:9000");
    CHECK(config->names.empty());
}

TEST_CASE("a file says what the options say, with comments, blanks, quotes and CRLF") {
    Result<UpConfig> config = resolve_text(
        "# planetbox\r\n\n  listen = [2001:DB8::1]\r\nboot-port=4430\napi-port = 8444\n"
        "name = \"Boot.Example.ORG., 10.0.2.2,10.0.2.2\"\nadmin = Root@Example.org\n"
        "site = demo\nmetrics-listen = none\n\t# end");
    REQUIRE_MESSAGE(config, config.error().message());
    CHECK(config->listen == "2001:db8::1");
    CHECK(config->boot_port == 4430);
    CHECK(config->names == std::vector<std::string>{"boot.example.org", "10.0.2.2"});
    CHECK(config->admin == "root@example.org");
    CHECK(config->site == "demo");
    CHECK(config->metrics_listen == "");
}

TEST_CASE("the command line wins over the file, the file over the state, that over the default") {
    Settings settings;
    REQUIRE(settings.add("boot-port", "1001", "--boot-port", true));
    REQUIRE(settings.add_file("boot-port = 1002\napi-port = 1003\n", "f.conf"));
    REQUIRE(settings.add("api-port", "1004", "the state", false));
    REQUIRE(settings.add("listen", "127.0.0.1", "the state", false));
    settings.add_defaults();
    Result<UpConfig> config = resolve_settings(settings);
    REQUIRE(config);
    CHECK(config->boot_port == 1001);
    CHECK(config->api_port == 1003);
    CHECK(config->listen == "127.0.0.1");
    CHECK(settings.find("listen")->explicit_now == false);  // would be stored again otherwise
    CHECK(settings.find("api-port")->explicit_now == true);
}

TEST_CASE("a complaint names file, line, key and remedy") {
    CHECK(complaint("\nboot_port = 1\n") ==
          "f.conf:2: unknown key 'boot_port'; did you mean 'boot-port'?");
    CHECK(complaint("colour = red").find("unknown key 'colour'; there are listen, boot-port") !=
          std::string::npos);
    CHECK(complaint("boot-port = 70000") ==
          "f.conf:1: boot-port: '70000' is no port; give 1-65535");
    CHECK(complaint("boot-port = 1\nboot-port = 2") ==
          "f.conf:2: boot-port was set in line 1 already");
    CHECK(complaint("[up]").find("has no sections") != std::string::npos);
    CHECK(complaint("just words").find("f.conf:1: 'just words': expected key = value") == 0);
    CHECK(complaint("name = \"a").find("does not end with one") != std::string::npos);
    CHECK(complaint("listen = localhost").find("is no address") != std::string::npos);
    CHECK(complaint("admin = nobody").find("does not look like an e-mail") != std::string::npos);
    CHECK(complaint("admin = a@b@c").find("does not look like an e-mail") != std::string::npos);
    CHECK(complaint("admin = a b@c.d").find("does not look like an e-mail") != std::string::npos);
}

TEST_CASE("two services cannot be given one port") {
    CHECK(complaint("boot-port = 8443").find("both 8443") != std::string::npos);
    CHECK(complaint("metrics-listen = 127.0.0.1:443").find("which is the boot port") !=
          std::string::npos);
    CHECK(complaint("metrics-listen = 127.0.0.1:8443").find("which is the API port") !=
          std::string::npos);
}

TEST_CASE("server names: what a certificate cannot or should not hold is refused") {
    for (const char* good : {"a", "boot.example", "10.0.2.2", "2001:db8::1", "[::1]", "n-1.x_y.z"})
        CHECK_MESSAGE(check_server_name(good).has_value(), good);
    for (const char* bad : {"", "*.example", "a..b", "-a", "a-", "10.0.0.256", "1.2.3", "a b",
                            "a/b", "https://a", "a:443"})
        CHECK_MESSAGE(!check_server_name(bad).has_value(), bad);
    CHECK(check_server_name(std::string(64, 'a')).has_value() == false);
    CHECK(*check_server_name("2001:DB8:0::1") == "2001:db8::1");
    std::string many = "a0.example";
    for (int i = 1; i < 70; ++i) many += ",a" + std::to_string(i) + ".example";
    CHECK(parse_server_names(many).error().code() == Code::kTooLarge);
}

TEST_CASE("URLs leave out the standard port and bracket IPv6") {
    CHECK(base_url("boot.example", 443) == "https://boot.example");
    CHECK(base_url("10.0.2.2", 4430) == "https://10.0.2.2:4430");
    CHECK(base_url("2001:db8::1", 4430) == "https://[2001:db8::1]:4430");
}
