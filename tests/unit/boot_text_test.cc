// Scripts, actions, paths and messages of the boot server: text in, text out.
#include <string>

#include "boot/action.h"
#include "boot/boot_service.h"
#include "boot/host_edit.h"
#include "boot/route.h"
#include "boot/stage_script.h"

#include <doctest/doctest.h>

using namespace planetbox;
using Kind = BootRoute::Kind;

TEST_CASE("paths find their route and nothing else does") {
    const auto kind = [](std::string_view path) { return parse_boot_route(path).kind; };
    CHECK(kind("/_ah/health") == Kind::kHealth);
    CHECK(kind("/v1/boot/h.example/stage1.ipxe") == Kind::kStage1Ipxe);
    CHECK(kind("/v1/boot/h.example/stage1.json") == Kind::kStage1Json);
    CHECK(kind("/v1/boot/h.example/id/stage2") == Kind::kStage2);
    CHECK(kind("/v1/boot/h.example/id/stage3") == Kind::kStage3);
    CHECK(kind("/v1/boot/h.example/id/report") == Kind::kReport);
    CHECK(kind("/v1/boot/h.example/id/extension/") == Kind::kExtension);
    CHECK(kind("/v1/storage/") == Kind::kStorage);
    for (const char* none :
         {"", "/", "/v1/boot/", "/v1/boot/h", "/v1/boot//stage1.ipxe", "/v1/boot/h//stage2",
          "/v1/boot/h/id/stage2/", "/v1/boot/h/id/extension", "/v1/boot/h/id/extension/a/b",
          "/v1/boot/h/id/stage4", "/v1/boot/h/stage1.ipxe/x", "/v1/storage", "//v1/storage/x"})
        CHECK_MESSAGE(kind(none) == Kind::kNone, none);
    const BootRoute route = parse_boot_route("/v1/boot/h.example/id/extension/op");
    CHECK(route.hostname == "h.example");
    CHECK(route.id == "id");
    CHECK(route.operation == "op");
}

TEST_CASE("storage paths stay below the images") {
    CHECK(is_storage_path("v1/planetbox/vmlinuz"));
    CHECK(is_storage_path("a b/..c"));
    for (const char* bad : {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\\b", "a\nb"})
        CHECK_FALSE_MESSAGE(is_storage_path(bad), bad);
}

TEST_CASE("stage 1 keeps & and % as they are") {
    StageAnswer answer;
    answer.chain_url = "https://x.example/a?b=1&c=%20d";
    answer.images_version = "latest";
    CHECK(stage1_ipxe(answer) ==
          "#!ipxe\n\nset stage1chain_url https://x.example/a?b=1&c=%20d\nset stage2_url \nset "
          "stage3_url \n"
          "set report_url \nset images_version latest\n\nchain ${stage1chain_url}\n");
    CHECK(stage_json(answer.chain_url) ==
          "{\n    \"v1\": {\n        \"chain\": \"https://x.example/a?b=1&c=%20d\"\n    }\n}");
}

TEST_CASE("a message script cannot be made to do anything but speak") {
    const std::string script = message_ipxe({"a ${net0/mac} && shell || reboot\nshell"}, 5);
    CHECK(script.find("${") == script.npos);
    CHECK(script.find("&&") == script.npos);
    CHECK(script.find("||") == script.npos);
    CHECK(script.find("\nshell") == script.npos);
    CHECK(script.ends_with("sleep 5\nexit 1\n"));
}

TEST_CASE("reports lose ids, keys and length before anybody sees them") {
    const std::string id = "AQEBAQEBAQEBAQEBAQEBAQEBAQE";
    CHECK(scrub_message("GET https://b/v1/boot/h/" + id + "/stage2: x") ==
          "GET https://b/v1/boot/h/***/stage2: x");
    CHECK(scrub_message(id) == "***");
    CHECK(scrub_message("key=" + std::string(43, 'k')) == "key=***");
    const std::string hash(64, 'a');
    CHECK(scrub_message("checksum mismatch: " + hash) == "checksum mismatch: " + hash);
    CHECK(scrub_message(std::string(100'000, ' ')).size() < 2100);
    CHECK(scrub_message("a\x1b[2Jb") == "a\\x1B[2Jb");
}

TEST_CASE("hashes are filled in where they lack and are known, and nothing else changes") {
    const auto lookup = [](std::string_view url) -> std::optional<std::string> {
        if (url == "https://b/k") return "abc";
        return std::nullopt;
    };
    for (const char* same :
         {"", "no json", "[]", "{}", "{\"v1\":1}", "{\"v1\":{\"files\":{\"k\":{}}}}",
          "{\"v1\":{\"files\":{\"k\":{\"url\":\"https://b/other\"}}}}",
          "{\"v1\":{\"files\":{\"k\":{\"url\":\"https://b/k\",\"sha256\":\"x\"}}}}"})
        CHECK(fill_action_hashes(same, lookup) == same);
    const std::string filled = fill_action_hashes(
        "{\"v1\":{\"files\":{\"k\":{\"url\":\"https://b/k\"}},\"x\":[1]},\"z\":2}", lookup);
    CHECK(filled.find("\"sha256\": \"abc\"") != filled.npos);
    CHECK(filled.find("\"z\": 2") != filled.npos);
}

TEST_CASE("facts: ePoxy's names, repeated ones joined, rubbish dropped") {
    FormFields facts;
    collect_fact(&facts, "mac", " 1 ");
    collect_fact(&facts, "mac", "2");
    collect_fact(&facts, "ip", "");
    collect_fact(&facts, "serial", "\xff\xfe");
    collect_fact(&facts, "key", "secret");
    CHECK(facts == FormFields{{"mac", "1 2"}});
    for (int i = 0; i < 1000; ++i) collect_fact(&facts, "mac", std::string(200, 'x'));
    CHECK(facts[0].second.size() <= 1100);
}

TEST_CASE("command lines that would break a script or a template are refused") {
    CHECK(check_cmdline("console=tty0 console=ttyS0,115200 a=\"b c\""));
    for (const char* bad : {"${x}", "{{x}}", "a || b", "a && b", "a\nb", "a\\", "\xc3\xa9"})
        CHECK_FALSE_MESSAGE(check_cmdline(bad), bad);
}

TEST_CASE("host names, addresses and URLs have one form") {
    CHECK(*normal_hostname("N1.Example.ORG.") == "n1.example.org");
    for (const char* bad : {"", ".", "a..b", "-a", "a-", "a_b", "a/b", "a b", "\xc3\xa9"})
        CHECK_FALSE_MESSAGE(normal_hostname(bad), bad);
    CHECK(*normal_mac("52-54-00-AB-cd-ef") == "52:54:00:ab:cd:ef");
    CHECK(check_stage_url("/v1/x"));
    for (const char* bad :
         {"", "//host/x", "ftp://x/", "http:///x", "https://a b", "https://a\n", "x"})
        CHECK_FALSE_MESSAGE(check_stage_url(bad), bad);
}

TEST_CASE("an inventory that says nothing new changes nothing") {
    Host host;
    host.hostname = "a.example";
    host.ipv4 = "192.0.2.1";
    auto inventory = parse_inventory("[{\"hostname\": \"A.example\", \"ipv4\": \"192.0.2.1/24\"}]");
    REQUIRE(inventory);
    auto plan = plan_sync({host}, *inventory);
    REQUIRE(plan);
    CHECK(plan->add.empty());
    CHECK(plan->change.empty());
    CHECK(plan->remove.empty());
}
