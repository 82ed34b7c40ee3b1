// The command line facade: forms that are understood, and that a wrong word is named.
#include "options.h"

#include "options_model.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

using namespace planetbox;

namespace {

std::optional<int> parse(Options& opt, std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return opt.parse(int(words.size()), argv.data());
}

}  // namespace

TEST_CASE("values of every type") {
    std::string text = "default";
    int64_t number = 7;
    double real = 0.5;
    bool flag = false, other = true;
    std::chrono::milliseconds time{0};
    std::vector<std::string> words;
    std::optional<std::string> maybe;
    Options opt("x", "test");
    opt.value("--text,-t", &text, "h");
    opt.value("--number", &number, "h").range(1, 100);
    opt.value("--real", &real, "h");
    opt.flag("--flag", &flag, "h");
    opt.flag("--other", &other, "h");
    opt.value("--time", &time, "h");
    opt.value("--maybe", &maybe, "h");
    opt.list("--word", &words, "h").delimiter(',');
    CHECK_FALSE(
        parse(opt, {"x", "-t", "a b", "--number=42", "--real", "2.5", "--flag", "--other=false",
                    "--time", "1h30m10ms", "--word", "a,b", "--word", "c"}));
    CHECK(text == "a b");
    CHECK(number == 42);
    CHECK(real == 2.5);
    CHECK(flag);
    CHECK_FALSE(other);
    CHECK(time.count() == 5400'010);
    CHECK(words == std::vector<std::string>{"a", "b", "c"});
    CHECK_FALSE(maybe);
}

TEST_CASE("bad command lines end with 2") {
    int64_t number = 7;
    std::chrono::milliseconds time{0};
    std::string color = "red", must;
    Options opt("x", "test");
    opt.value("--number", &number, "h").range(1, 100);
    opt.value("--time", &time, "h");
    opt.value("--color", &color, "h").one_of({"red", "green"});
    opt.value("--must", &must, "h").required();
    const auto code = [&](std::vector<std::string> words) {
        words.insert(words.begin(), "x");
        return parse(opt, std::move(words)).value_or(0);
    };
    CHECK(code({"--must", "1"}) == 0);
    CHECK(code({}) == 2);
    CHECK(code({"--must", "1", "--nunber", "3"}) == 2);
    CHECK(code({"--must", "1", "--number", "101"}) == 2);
    CHECK(code({"--must", "1", "--number", "1x"}) == 2);
    CHECK(code({"--must", "1", "--time", "soon"}) == 2);
    CHECK(code({"--must", "1", "--color", "blue"}) == 2);
    CHECK(code({"--must", "1", "surplus"}) == 2);
    CHECK(code({"--must"}) == 2);
}

TEST_CASE("arguments by position, subcommands, options of the parent after them") {
    std::string host, state;
    std::vector<std::string> rest;
    Options opt("x", "test");
    opt.value("--state", &state, "h");
    Options& group = opt.sub("host", "hosts");
    Options& add = group.sub("add", "adds");
    add.value("HOST", &host, "h").required();
    add.list("REST", &rest, "h");
    Options& remove = group.sub("remove", "removes");
    CHECK_FALSE(parse(opt, {"x", "host", "add", "n1", "a", "b", "--state", "dir"}));
    CHECK(host == "n1");
    CHECK(state == "dir");
    CHECK(rest == std::vector<std::string>{"a", "b"});
    CHECK(add.chosen());
    CHECK_FALSE(remove.chosen());
    CHECK(parse(opt, {"x", "host", "ad"}) == 2);
    CHECK(parse(opt, {"x", "host"}) == 2);
    CHECK(parse(opt, {"x"}) == 2);
}

TEST_CASE("Go forms and environment") {
    std::string output, listen;
    int64_t reps = 1;
    bool verbose = true;
    Options opt("x", "test");
    opt.go_style();
    opt.value("--output", &output, "h");
    opt.value("--prometheusx.listen-address", &listen, "h");
    opt.value("--reps", &reps, "h");
    opt.flag("--verbose", &verbose, "h");
    setenv("PROMETHEUSX_LISTEN_ADDRESS", ":9090", 1);
    setenv("REPS", "9", 1);
    CHECK_FALSE(parse(opt, {"x", "-output", "-", "-reps=3", "-verbose=false", "-output=last"}));
    unsetenv("PROMETHEUSX_LISTEN_ADDRESS");
    unsetenv("REPS");
    CHECK(output == "last");
    CHECK(reps == 3);
    CHECK_FALSE(verbose);
    CHECK(listen == ":9090");
    CHECK_FALSE(parse(opt, {"x", "-output="}));
    CHECK(output.empty());
    CHECK_FALSE(parse(opt, {"x", "-reps", "-4"}));
    CHECK(reps == -4);
    CHECK(parse(opt, {"x", "-reps"}) == 2);
}

TEST_CASE("a configuration file, the command line wins, unknown keys are refused") {
    char path[] = "/tmp/planetbox-options-XXXXXX";
    const int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    const std::string good = "state = \"/srv/pb\"\nport = 80\nname = [\"a\", \"b\"]\n";
    REQUIRE(write(fd, good.data(), good.size()) == ssize_t(good.size()));
    std::string state;
    int64_t port = 1;
    std::vector<std::string> names;
    Options opt("x", "test");
    opt.config_file();
    opt.value("--state", &state, "h");
    opt.value("--port", &port, "h");
    opt.list("--name", &names, "h");
    CHECK_FALSE(parse(opt, {"x", "--config", path, "--port", "81"}));
    CHECK(state == "/srv/pb");
    CHECK(port == 81);
    CHECK(names == std::vector<std::string>{"a", "b"});
    REQUIRE(write(fd, "stat = 1\n", 9) == 9);
    CHECK(parse(opt, {"x", "--config", path}) == 2);
    CHECK(parse(opt, {"x", "--config", "/nonexistent"}) == 2);
    close(fd);
    unlink(path);
}

TEST_CASE("environment between command line and configuration file") {
    std::string text = "default";
    Options opt("x", "test");
    opt.value("--text", &text, "h").env("PLANETBOX_TEST_TEXT");
    setenv("PLANETBOX_TEST_TEXT", "from environment", 1);
    CHECK_FALSE(parse(opt, {"x"}));
    CHECK(text == "from environment");
    CHECK_FALSE(parse(opt, {"x", "--text", "from words"}));
    CHECK(text == "from words");
    unsetenv("PLANETBOX_TEST_TEXT");
}

TEST_CASE("short forms") {
    int64_t port = 1;
    bool a = false, b = false;
    std::string rest;
    Options opt("x", "test");
    opt.value("--port,-p", &port, "h");
    opt.flag("--all,-a", &a, "h");
    opt.flag("-b", &b, "h");
    opt.value("REST", &rest, "h");
    CHECK_FALSE(parse(opt, {"x", "-abp80"}));
    CHECK((a && b && port == 80));
    CHECK_FALSE(parse(opt, {"x", "-p=81", "-a=false"}));
    CHECK((!a && port == 81));
    CHECK_FALSE(parse(opt, {"x", "-p", "-5", "-7"}));
    CHECK((port == -5 && rest == "-7"));
    CHECK_FALSE(parse(opt, {"x", "--", "-a"}));
    CHECK(rest == "-a");
    CHECK(parse(opt, {"x", "-ax"}) == 2);
    CHECK(parse(opt, {"x", "-p", "1", "-p", "2"}) == 2);
    CHECK(parse(opt, {"x", "--port", "--all"}) == 2);
}

TEST_CASE("what wants no subcommand, and help") {
    std::string word;
    Options opt("x", "test");
    opt.sub_optional();
    opt.value("WORD", &word, "h");
    Options& list = opt.sub("list", "lists");
    CHECK_FALSE(parse(opt, {"x"}));
    CHECK_FALSE(list.chosen());
    CHECK_FALSE(parse(opt, {"x", "list"}));
    CHECK(list.chosen());
    CHECK_FALSE(parse(opt, {"x", "--", "list"}));
    CHECK(word == "list");
    CHECK_FALSE(list.chosen());
    CHECK(parse(opt, {"x", "list", "--help"}) == 0);
    CHECK(parse(opt, {"x", "-h"}) == 0);
}

TEST_CASE("lines of a configuration file") {
    const auto entries = parse_config(
        "# comment\n"
        "a = plain text # comment\n"
        "b = \"quoted # \\\"\\n\"   # comment\n"
        "c = 'single \\ #'\r\n"
        "list = [ 1, \"two, 2\", three ]\n"
        "none = []\n"
        "[host add]\n"
        "d=1\n");
    REQUIRE(entries);
    REQUIRE(entries->size() == 6);
    CHECK((*entries)[0].values == std::vector<std::string>{"plain text"});
    CHECK((*entries)[1].values == std::vector<std::string>{"quoted # \"\n"});
    CHECK((*entries)[2].values == std::vector<std::string>{"single \\ #"});
    CHECK((*entries)[3].values == std::vector<std::string>{"1", "two, 2", "three"});
    CHECK((*entries)[4].values.empty());
    CHECK((*entries)[5].section == std::vector<std::string>{"host", "add"});
    CHECK((*entries)[5].line == 8);
    for (const char* bad : {"a", "= 1", "a =", "a = \"x", "a = 'x", "a = [1", "a = [1 2", "[x",
                            "a = \"x\" y", "a = \"\\q\"", "[x] y"})
        CHECK_MESSAGE(!parse_config(bad), bad);
}
