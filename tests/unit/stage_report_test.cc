// What a node shows and sends about itself: no secret in it, the right code, a believable clock.
#include "net/http_client.h"
#include "stage/failure.h"
#include "stage/progress.h"
#include "stage/redact.h"
#include "stage/report.h"
#include "stage/rough_clock.h"
#include "sys/files.h"
#include "wire/failure_code.h"

#include <doctest/doctest.h>

using namespace planetbox;

TEST_CASE("session ids never survive: catches a report or console line that leaks one") {
    struct Row {
        const char* text;
        const char* want;
    };
    const Row rows[] = {
        {"", ""},
        {"https://h:44/v1/boot/n1.x/SECRET-id_1/stage2", "https://h:44/v1/boot/n1.x/.../stage2"},
        {"a=https://h/v1/boot/n/S1/stage2 b=https://h/v1/boot/n/S2/report c",
         "a=https://h/v1/boot/n/.../stage2 b=https://h/v1/boot/n/.../report c"},
        {"[\"x=https://h/v1/boot/n/S1/extension/op\" \"y\"] : exit",
         "[\"x=https://h/v1/boot/n/.../extension/op\" \"y\"] : exit"},
        {"https://h/v1/boot/n/S1", "https://h/v1/boot/n/..."},
        {"https://h/v1/boot/n/stage1.json", "https://h/v1/boot/n/stage1.json"},
        {"https://h/v1/boot/n/stage1.ipxe?key=SECRET&mac=1",
         "https://h/v1/boot/n/stage1.ipxe?key=...&mac=1"},
        {"https://h/x?a=1&token=S&p=S&session=S#f",
         "https://h/x?a=1&token=...&p=...&session=...#f"},
        {"https://h/v1/storage/v1/planetbox/vmlinuz", "https://h/v1/storage/v1/planetbox/vmlinuz"},
        {"/v1/boot//v1/boot/n/S/x", "/v1/boot//.../boot/n/.../x"},
        {"/v1/boot/", "/v1/boot/"},
        {"/v1/boot/a/", "/v1/boot/a/..."},
        {"?key=?key=S", "?key=...?key=..."},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(redact(row.text) == row.want);
    }
}

TEST_CASE("debug.config is epoxy_client's form, and holds no session id") {
    const Kargs kargs{{"epoxy.report", "https://h/v1/boot/n/SECRET/report"}, {"quiet", ""}};
    Result<Action> action =
        parse_action(R"({"v1":{"vars":{"a":["x","https://h/v1/boot/n/SECRET/stage3"]},)"
                     R"("files":{"f":{"url":"https://h/f","sha256":"00"}},"env":{"P":"/bin"},)"
                     R"("commands":["true", ["a", "https://h/v1/boot/n/SECRET/stage3"]]}})");
    REQUIRE(action);
    CHECK(debug_config(kargs, &*action) == R"({
    "kargs": {
        "epoxy.report": "https://h/v1/boot/n/.../report",
        "quiet": ""
    },
    "v1": {
        "vars": {
            "a": "x https://h/v1/boot/n/.../stage3"
        },
        "files": {
            "f": {
                "sha256": "00",
                "url": "https://h/f"
            }
        },
        "env": {
            "P": "/bin"
        },
        "commands": [
            "true",
            [
                "a",
                "https://h/v1/boot/n/.../stage3"
            ]
        ]
    }
})");
    action->vars["a"] = std::string(300 << 10, 'x');
    CHECK(debug_config(kargs, &*action).size() < 1000);
}

TEST_CASE("a report's fields: message, code only on failure, stage and uptime") {
    Report good{.success = true, .stage = "stage3", .uptime_seconds = 42};
    FormFields fields = report_fields(good, {}, nullptr);
    CHECK(encode_form(fields).find("message=success&debug.config=") == 0);
    CHECK(encode_form(fields).ends_with("&stage=stage3&uptime=42"));
    Report bad{
        .failure = {.message = "see https://h/v1/boot/n/S/report & more", .code = kFailAction},
        .stage = "stage2"};
    CHECK(bad.message() == "error: see https://h/v1/boot/n/.../report & more");
    CHECK(encode_form(report_fields(bad, {}, nullptr)).ends_with("&code=B11"));
}

TEST_CASE("every failure gets the code that bootadm log explains") {
    auto code = [](Phase phase, Code kind, const char* message) {
        return classify(phase, Error(kind, message)).code;
    };
    auto http = [](Phase phase, HttpFailure kind) {
        Error error = Error(Code::kUnavailable, "x").with_detail(static_cast<int>(kind));
        return classify(phase, std::move(error).context("https://h:443")).code;
    };
    CHECK(http(Phase::kAskStage, HttpFailure::kDns) == kFailDns);
    CHECK(http(Phase::kAskStage, HttpFailure::kConnect) == kFailConnect);
    CHECK(http(Phase::kAskStage, HttpFailure::kTransfer) == kFailConnect);
    CHECK(http(Phase::kAskStage, HttpFailure::kUntrusted) == kFailUntrusted);
    CHECK(http(Phase::kFollowChain, HttpFailure::kDates) == kFailDates);
    CHECK(http(Phase::kDownload, HttpFailure::kDates) == kFailDates);
    CHECK(http(Phase::kDownload, HttpFailure::kTransfer) == kFailDownload);
    CHECK(code(Phase::kAskStage, Code::kProtocol, "the answer is not HTTP") == kFailServer);
    CHECK(code(Phase::kDownload, Code::kProtocol, "checksum mismatch") == kFailChecksum);
    CHECK(code(Phase::kDownload, Code::kNotFound, "server returned 404 Not Found") ==
          kFailDownload);
    CHECK(code(Phase::kDownload, Code::kUnavailable, "connection reset") == kFailDownload);
    CHECK(code(Phase::kDownload, Code::kIo, "write: No space left on device") == kFailInternal);
    CHECK(code(Phase::kReadAction, Code::kInvalid, "x") == kFailAction);
    CHECK(code(Phase::kCommand, Code::kIo, "exit status 1") == kFailCommand);
    CHECK(code(Phase::kKexec, Code::kDenied, "locked down") == kFailKexec);
    CHECK(code(Phase::kKexec, Code::kProtocol, "/k: checksum mismatch") == kFailChecksum);
    CHECK(classify_status(Phase::kAskStage, 404, "").code == kFailUnknownHost);
    CHECK(classify_status(Phase::kFollowChain, 404, "").code == kFailDownload);
    CHECK(classify_status(Phase::kAskStage, 403, "").code == kFailForbidden);
    CHECK(classify_status(Phase::kAskStage, 403, "").refused);
    CHECK(classify_status(Phase::kAskStage, 500, "").code == kFailServer);
    CHECK(explain_failure("B09").starts_with("B09: A downloaded file"));
}

TEST_CASE("progress says how much, how fast and how long still") {
    CHECK(progress_text(12 << 20, 30 << 20, 3 << 20) ==
          "12 MiB of 30 MiB (40 %), 3.0 MiB/s, 7.0 s left");
    CHECK(progress_text(12 << 20, 0, 3 << 20) == "12 MiB, 3.0 MiB/s");
    CHECK(progress_text(0, 100, 0) == "0 B of 100 B (0 %), 0 B/s, stalled");
    CHECK(progress_text(100, 100, 1) == "100 B of 100 B (100 %), 1 B/s");

    FakeClock clock(0);
    std::vector<std::string> lines;
    ProgressMeter meter("f", Millis(5'000), clock,
                        [&](const std::string& s) { lines.push_back(s); });
    meter.update(1000, 10'000);
    clock.advance(Seconds(4));
    meter.update(2000, 10'000);
    CHECK(lines.empty());
    clock.advance(Seconds(1));
    meter.update(6120, 10'000);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0] == "  f: 6.0 KiB of 9.8 KiB (61 %), 1.0 KiB/s, 4.0 s left");
}

TEST_CASE("the clock: catches a dead battery that keeps a node from booting") {
    const int64_t built = 1'700'000'000, now = 1'750'000'000, y2003 = 1'050'000'000,
                  y2040 = 2'210'000'000;
    auto decide = [&](int64_t clock, std::optional<int64_t> server) {
        return decide_clock({.now = clock, .built = built, .server = server}).set_to;
    };
    CHECK(decide(y2003, now) == now);
    CHECK(decide(y2040, now) == now);
    CHECK(decide(now - 2, now) == std::nullopt);
    CHECK(decide(now + 3, now) == now);
    CHECK(decide(y2003, std::nullopt) == built);
    CHECK(decide(now, std::nullopt) == std::nullopt);
    CHECK(decide(y2040, std::nullopt) == std::nullopt);
    // A server (or a thief with its old key) before the lower bound is not believed.
    CHECK(decide(now, y2003) == std::nullopt);
    CHECK(decide(y2003, y2003) == built);
    CHECK(decide(y2003, built - 3600) == built - 3600);
}

TEST_CASE("the clock's server is the action's, else the first of the stages, https only") {
    const Kargs kargs{{"epoxy.stage1", "http://plain/v1"},
                      {"epoxy.stage2", "https://[2001:db8::1]:4430/v1/boot/n/S/stage2"},
                      {"epoxy.stage3", "https://three?x"}};
    CHECK(*clock_url(kargs, "epoxy.stage2") == "https://[2001:db8::1]:4430/_ah/health");
    CHECK(*clock_url(kargs, "epoxy.stage3") == "https://three/_ah/health");
    CHECK(*clock_url(kargs, "other") == "https://[2001:db8::1]:4430/_ah/health");
    CHECK_FALSE(clock_url({}, "epoxy.stage2"));
    CHECK(lower_clock_bound(5, "/nonexistent") == 5);
    TempDir dir = std::move(*TempDir::create());
    REQUIRE(write_file_atomic(dir.path() + "/t", "1700000000\n"));
    CHECK(lower_clock_bound(5, dir.path() + "/t") == 1'700'000'000);
    CHECK(lower_clock_bound(1'800'000'000, dir.path() + "/t") == 1'800'000'000);
}
