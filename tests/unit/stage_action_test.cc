// Boot actions: reading, and the order in which their templates are evaluated.
#include "base/strings.h"
#include "stage/action.h"
#include "stage/evaluate.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

using Words = std::vector<std::string>;

std::string error_of(std::string_view text) {
    Result<Action> action = parse_action(text);
    return action ? "none" : action.error().message();
}

// An action in the style of production's stage2to3: kernel arguments handed on, two files, kexec.
constexpr std::string_view kKexecAction = R"({
  "v1": {
    "env": {"PATH": "/bin:/usr/bin"},
    "files": {
      "vmlinuz": {"url": "https://h/{{kargs `epoxy.images_version`}}/{{.vars.dir}}/vmlinuz"},
      "initram": {"url": "https://h/i", "sha256": "00"}
    },
    "vars": {
      "kargs": ["epoxy.ip={{kargs `epoxy.ip`}}", "epoxy.stage3={{kargs `epoxy.stage3`}}"],
      "cmdline": "net.ifnames=0",
      "dir": "stage3"
    },
    "commands": [
      "# Start the next kernel.",
      ["/sbin/kexec", "--force", "--command-line={{.vars.kargs}} {{.vars.cmdline}}",
       "--initrd={{.files.initram.name}}", "{{.files.vmlinuz.name}}", 1e21, null, 5],
      "/opt/x {{kargs `epoxy.ip`}} '{{kargs `epoxy.stage3`}}' {{.vars.none}}"
    ]
  }
})";

}  // namespace

TEST_CASE("production style: evaluated in order, arrays joined, words templated") {
    Result<Action> action = parse_action(kKexecAction);
    REQUIRE(action);
    const Kargs kargs{{"epoxy.ip", "10.0.0.2"},
                      {"epoxy.stage3", "https://s/x y"},
                      {"epoxy.images_version", "v1"}};
    REQUIRE(evaluate_vars(*action, kargs));
    CHECK(action->vars["kargs"] == "epoxy.ip=10.0.0.2 epoxy.stage3=https://s/x y");
    REQUIRE(evaluate_file_urls(*action, kargs));
    CHECK(action->files["vmlinuz"]["url"] == "https://h/v1/stage3/vmlinuz");
    action->files["vmlinuz"]["name"] = "/tmp/k";
    action->files["initram"]["name"] = "/tmp/i";

    auto env = evaluate_env(*action, kargs, {"HOME=/", "PATH=/sbin", "PATHX=1"});
    REQUIRE(env);
    CHECK(*env == Words{"HOME=/", "PATHX=1", "PATH=/bin:/usr/bin"});

    auto commands = evaluate_commands(*action, kargs);
    REQUIRE(commands);
    REQUIRE(commands->size() == 3);
    CHECK((*commands)[0].empty());
    CHECK((*commands)[1] == Words{"/sbin/kexec", "--force",
                                  "--command-line=epoxy.ip=10.0.0.2 epoxy.stage3=https://s/x y "
                                  "net.ifnames=0",
                                  "--initrd=/tmp/i", "/tmp/k", "1e+21", "<nil>", "5"});
    CHECK((*commands)[2] == Words{"/opt/x", "10.0.0.2", "https://s/x y", "<no", "value>"});
}

TEST_CASE("variables see kernel arguments only: catches evaluation in the wrong order") {
    Result<Action> action =
        parse_action(R"({"v1":{"vars":{"a":"1","b":"{{.vars.a}}"},"files":{"f":{"url":"u"}},)"
                     R"("commands":["x {{.vars.b}}"]}})");
    REQUIRE(action);
    REQUIRE(evaluate_vars(*action, {}));
    CHECK(action->vars["b"] == "<no value>");
}

TEST_CASE("each word of a string command is expanded again, as epoxy_client does") {
    Result<Action> action = parse_action(R"({"v1":{"commands":["echo {{kargs `t`}}"]}})");
    REQUIRE(action);
    auto commands = evaluate_commands(*action, {{"t", "{{kargs`u`}}"}, {"u", "a b"}});
    REQUIRE(commands);
    CHECK((*commands)[0] == Words{"echo", "a b"});
}

TEST_CASE("faults of an action are named in epoxy_client's words where it has any") {
    auto evaluate = [](std::string_view text) -> std::string {
        Result<Action> action = parse_action(text);
        if (!action) return action.error().message();
        if (Status ok = evaluate_vars(*action, {}); !ok) return ok.error().message();
        if (Status ok = evaluate_file_urls(*action, {}); !ok) return ok.error().message();
        auto commands = evaluate_commands(*action, {});
        return commands ? "none" : commands.error().message();
    };
    CHECK(evaluate(R"({"v1":{"vars":{"a":3}}})") == "Unsupported type: float64 3");
    CHECK(evaluate(R"({"v1":{"vars":{"a":null}}})") == "Unsupported type: <nil> <nil>");
    CHECK(evaluate(R"({"v1":{"files":{"a":{}}}})") == "URL key not found in file spec");
    CHECK(evaluate(R"({"v1":{"files":{"a":null}}})") == "URL key not found in file spec");
    CHECK(evaluate(R"({"v1":{"commands":["a 'b"]}})") == "EOF found when expecting closing quote");
    CHECK(evaluate(R"({"v1":{"commands":[3, null, {"a":1}, true]}})") == "none");
    CHECK(evaluate(R"({"v1":{"vars":{"a":"{{if x}}"}}})").starts_with("v1.vars.a: template: {{if"));
    CHECK(evaluate(R"({"v1":{"chain":"https://x","vars":{"a":3}}})") ==
          "Unsupported type: float64 3");
}

TEST_CASE("what is no action is refused by name: catches a crash or a silent success") {
    CHECK(error_of("{}") == "action: there is no \"v1\", so there is nothing to do");
    CHECK(error_of(R"({"v1":null})") == "action: there is no \"v1\", so there is nothing to do");
    CHECK(error_of("") == "action: the answer is empty");
    CHECK(error_of("[]") == "action: the text must be a JSON object, not array");
    CHECK(error_of("<html>").starts_with("action: JSON: line 1"));
    CHECK(error_of(R"({"v1":[]})") == "action: v1 must be an object, not array");
    CHECK(error_of(R"({"v1":{"chain":1}})") == "action: v1.chain must be a string, not number");
    CHECK(error_of(R"({"v1":{"commands":"x"}})") ==
          "action: v1.commands must be an array, not string");
    CHECK(error_of(R"({"v1":{"files":{"a":"u"}}})") ==
          "action: v1.files.a must be an object, not string");
    CHECK(error_of(R"({"v1":{"files":{"a":{"url":1}}}})") ==
          "action: v1.files.a.url must be a string, not number");
    CHECK(error_of(R"({"kargs":{"a":1},"v1":{}})") ==
          "action: kargs.a must be a string, not number");
    CHECK(error_of(R"({"v1":{"env":{"A":true}}})") ==
          "action: v1.env.A must be a string, not bool");
    CHECK(error_of("{\"v1\":{\"commands\":[" + std::string(2100, ' ') + "1" +
                   [] {
                       std::string more;
                       for (int i = 0; i < 1000; ++i) more += ",1";
                       return more;
                   }() +
                   "]}}")
              .find("1001 v1.commands") != std::string::npos);
}

TEST_CASE("names are taken as Go's decoder takes them: any case, the last one") {
    Result<Action> action =
        parse_action(R"({"V1":{"Chain":"https://a","CHAIN":"https://b"},"Kargs":{"k":null}})");
    REQUIRE(action);
    CHECK(action->chain == "https://b");
    CHECK(action->kargs == Kargs{{"k", ""}});
}

TEST_CASE("commands are bounded once expanded: catches a small action that fills the memory") {
    std::string text = R"({"v1":{"vars":{"a":")" + std::string(60'000, 'x') + R"("},"commands":[[)";
    for (int i = 0; i < 100; ++i) text += std::string(i ? "," : "") + "\"{{.vars.a}}\"";
    Result<Action> action = parse_action(text + "]]}}");
    REQUIRE(action);
    REQUIRE(evaluate_vars(*action, {}));
    auto commands = evaluate_commands(*action, {});
    REQUIRE_FALSE(commands);
    CHECK(commands.error().code() == Code::kTooLarge);
}

TEST_CASE("an environment name that cannot be set is an error") {
    Result<Action> action = parse_action(R"({"v1":{"env":{"A=B":"x"}}})");
    REQUIRE(action);
    auto env = evaluate_env(*action, {}, {});
    REQUIRE_FALSE(env);
    CHECK(env.error().message() == "v1.env: \"A=B\" cannot be set");
}
