#include "init/machine.h"

#include <doctest/doctest.h>

#include "init/rescue.h"
#include "init/stage_job.h"
#include "init/system_clock.h"
#include "sys/mounts.h"

using namespace planetbox;

TEST_CASE("the earliest stage on the command line is the one to run") {
    CHECK(stage_of(parse_kargs("epoxy.stage3=c epoxy.stage1=a epoxy.stage2=b")) == "stage1");
    CHECK(stage_of(parse_kargs("epoxy.stage3=c epoxy.stage2=b")) == "stage2");
    CHECK(stage_of(parse_kargs("epoxy.stage2= epoxy.stage3=c")) == "stage3");
    CHECK(stage_of(parse_kargs("quiet")).empty());
}

TEST_CASE("attempts come again within ten minutes, whatever their number") {
    CHECK(attempt_delay(0) == Seconds(0));
    CHECK(attempt_delay(1) == Seconds(10));
    CHECK(attempt_delay(2) == Seconds(20));
    for (int failures : {6, 10, 100, 1'000'000}) CHECK(attempt_delay(failures) == Seconds(300));
}

TEST_CASE("a failure's code is told by its line, not by any word that looks like one") {
    CHECK(code_in_line("B05: The server's certificate is not from our CA.") == "B05");
    CHECK(code_in_line("planetbox: [  3.10] B09: A downloaded file is not…") == "B09");
    CHECK(code_in_line("fetching B05").empty());
    CHECK(code_in_line("AB05: x").empty());
    CHECK(code_in_line("B99: x").empty());
    CHECK(code_in_line("B05").empty());
    CHECK(code_in_line("").empty());
}

TEST_CASE("a clock before the build or decades after it is in doubt") {
    constexpr int64_t kBuilt = 1'790'000'000;
    CHECK(judge_clock(kBuilt - 1, kBuilt) == ClockDoubt::kBefore);
    CHECK(judge_clock(kBuilt, kBuilt) == ClockDoubt::kNone);
    CHECK(judge_clock(kBuilt + 5LL * 365 * 86400, kBuilt) == ClockDoubt::kNone);
    CHECK(judge_clock(kBuilt + 25LL * 365 * 86400, kBuilt) == ClockDoubt::kFarAfter);
    CHECK(parse_build_time("1790000000\n") == kBuilt);
    CHECK_FALSE(parse_build_time("0"));
    CHECK_FALSE(parse_build_time("tomorrow"));
}

TEST_CASE("keys are counted without comments and half lines") {
    CHECK(count_keys("# none\n\n") == 0);
    CHECK(count_keys("ssh-ed25519 AAAA me@here\n# x y\nssh-rsa\nssh-rsa BBBB\n") == 2);
}

TEST_CASE("mount points with spaces in their names can be unmounted") {
    auto points = mount_points("proc /proc proc rw 0 0\n/dev/x /mnt/a\\040b ext4 rw 0 0\nbad\n");
    REQUIRE(points.size() == 2);
    CHECK(points[1] == "/mnt/a b");
}
