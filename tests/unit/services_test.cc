#include "init/services.h"

#include <doctest/doctest.h>

using namespace planetbox;

TEST_CASE("a list with every condition, quotes and comments") {
    ServiceList list = parse_services(
        "# comment\n\n"
        "syslog  always         respawn  /bin/busybox syslogd -n   # tail\n"
        "agent\tonline\tonce\t/bin/agent \"two words\" \"\" a#b\r\n"
        "dbg     karg:debug=2   once     /bin/x\n"
        "quiet   !karg:debug    once     /bin/y\n"
        "ssh     rescue         respawn  /sbin/dropbear -F");
    CHECK(list.errors.empty());
    REQUIRE(list.services.size() == 5);
    CHECK(list.services[0].argv == std::vector<std::string>{"/bin/busybox", "syslogd", "-n"});
    CHECK(list.services[0].respawn);
    CHECK(list.services[1].argv == std::vector<std::string>{"/bin/agent", "two words", "", "a#b"});
    CHECK_FALSE(list.services[1].respawn);
    CHECK(list.services[2].karg_value == "2");
    CHECK(list.services[3].when == Service::When::kNotKarg);
    CHECK(list.services[4].when == Service::When::kRescue);
}

TEST_CASE("a wrong line is told with its number and costs only itself") {
    ServiceList list = parse_services(
        "a always respawn /bin/a\n"
        "b sometimes respawn /bin/b\n"
        "c always twice /bin/c\n"
        "d always once\n"
        "e always once \"/bin/e\n"
        "a always once /bin/again\n"
        "../x always once /bin/x\n"
        "f karg: once /bin/f\n"
        "z always once /bin/z\n");
    REQUIRE(list.services.size() == 2);
    CHECK(list.services[1].name == "z");
    REQUIRE(list.errors.size() == 7);
    CHECK(list.errors[0].find("line 2") != std::string::npos);
    CHECK(list.errors[0].find("sometimes") != std::string::npos);
    CHECK(list.errors[4].find("there already") != std::string::npos);
}

TEST_CASE("limits: a hundred services, 64 KiB") {
    std::string many;
    for (int i = 0; i < 120; ++i) many += "s" + std::to_string(i) + " always once /bin/x\n";
    ServiceList list = parse_services(many);
    CHECK(list.services.size() == 100);
    CHECK(list.errors.size() == 1);
    CHECK(parse_services(std::string(kServicesLimit + 1, '#')).errors.size() == 1);
}

TEST_CASE("what is due follows the command line and the machine's state") {
    Kargs kargs = parse_kargs("debug=2 planetbox.rescue");
    auto due = [&](const char* when, ServiceState state) {
        ServiceList list = parse_services(std::string("s ") + when + " once /bin/x\n");
        REQUIRE(list.services.size() == 1);
        return is_due(list.services[0], kargs, state);
    };
    CHECK(due("always", {}));
    CHECK_FALSE(due("online", {}));
    CHECK(due("online", {.online = true}));
    CHECK(due("rescue", {.rescue = true}));
    CHECK(due("karg:debug", {}));
    CHECK(due("karg:debug=2", {}));
    CHECK_FALSE(due("karg:debug=3", {}));
    CHECK(due("!karg:debug=3", {}));
    CHECK_FALSE(due("!karg:planetbox.rescue", {}));
}

TEST_CASE("a service that dies at once is not started in a tight loop, a stable one is at once") {
    Backoff backoff;
    using namespace std::chrono;
    CHECK(backoff.next(milliseconds(5)) == milliseconds(500));
    CHECK(backoff.next(milliseconds(5)) == milliseconds(1000));
    for (int i = 0; i < 50; ++i) CHECK(backoff.next(seconds(1)) <= minutes(1));
    CHECK(backoff.next(seconds(1)) == minutes(1));
    CHECK(backoff.next(seconds(11)) == milliseconds(0));
    CHECK(backoff.next(milliseconds(5)) == milliseconds(500));
}
