// The command line facade: forms that are understood, and that a wrong word is named.
#include "options.h"

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
