// Downloads over a connection that breaks, against a server played by the test.
#include "stage/download.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "sys/files.h"

#include <sys/mman.h>

#include <deque>

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

// What the server does with one request.
struct Act {
    uint64_t send = UINT64_MAX;  // bytes of the body that arrive before the connection breaks
    int status = 0;              // 0: 200 or 206 as HTTP wants it
    bool ignore_range = false;
    std::string etag = "\"v1\"";
    std::optional<Error> error;  // before any answer
    bool other_data = false;
};

struct Bench {
    std::string data = std::string(100'000, 'a') + "end";
    std::string other = std::string(100'000, 'b') + "END";
    std::deque<Act> acts;
    std::vector<uint64_t> starts;        // resume_from of each request
    std::vector<std::string> if_ranges;  // and its If-Range
    std::vector<int64_t> pauses;
    FakeClock clock{1'700'000'000};
    UniqueFd fd{::memfd_create("test", 0)};

    Result<HttpClientResponse> serve(HttpClientRequest request) {
        starts.push_back(request.resume_from);
        if_ranges.emplace_back(request.headers.get("If-Range").value_or(""));
        REQUIRE_FALSE(acts.empty());
        Act act = acts.front();
        acts.pop_front();
        if (act.error) return std::unexpected(*act.error);
        const std::string& body = act.other_data ? other : data;
        uint64_t start = act.ignore_range ? 0 : request.resume_from;
        HttpClientResponse answer;
        answer.status = act.status ? act.status : start ? 206 : 200;
        answer.status_line = act.status == 404 ? "404 Not Found" : "503 Service Unavailable";
        if (!act.etag.empty()) answer.headers.add("ETag", act.etag);
        answer.headers.add("Content-Length", std::to_string(body.size() - start));
        if (answer.status == 206)
            answer.headers.add("Content-Range", strf("bytes %zu-%zu/%zu", size_t(start),
                                                     body.size() - 1, body.size()));
        if (Status ok = request.on_head(answer); !ok) return std::unexpected(ok.error());
        if (answer.status >= 300) return answer;
        std::string_view rest = std::string_view(body).substr(start);
        for (size_t at = 0; at < std::min<uint64_t>(rest.size(), act.send); at += 10'000) {
            size_t count = std::min<uint64_t>({10'000, rest.size() - at, act.send - at});
            if (Status ok = request.sink(rest.substr(at, count)); !ok)
                return std::unexpected(ok.error());
        }
        if (act.send < rest.size()) return fail(Code::kUnavailable, "connection reset");
        return answer;
    }

    Result<Downloaded> run(std::string_view sha256, DownloadLimits limits = {}) {
        DownloadTools tools{.fetch = [this](HttpClientRequest r) { return serve(std::move(r)); },
                            .pause = [this](Millis time) -> Status {
                                pauses.push_back(time.count());
                                clock.advance(time);
                                return {};
                            },
                            .progress = {},
                            .say = {},
                            .clock = clock};
        return download_file(tools, limits, "https://h/f", sha256, fd.get());
    }
    std::string written() {
        ::lseek(fd.get(), 0, SEEK_SET);
        return *read_fd(fd.get(), 1 << 20);
    }
    std::string hash() const { return sha256_hex(data); }
};

using Starts = std::vector<uint64_t>;

}  // namespace

TEST_CASE("a broken download goes on where it stopped: catches starting again each time") {
    Bench bench;
    bench.acts = {{.send = 30'000}, {.send = 20'000}, {}};
    Result<Downloaded> got = bench.run(bench.hash());
    REQUIRE(got);
    CHECK(got->sha256 == bench.hash());
    CHECK(got->size == bench.data.size());
    CHECK(bench.written() == bench.data);
    CHECK(bench.starts == Starts{0, 30'000, 50'000});
    CHECK(bench.if_ranges == std::vector<std::string>{"", "\"v1\"", "\"v1\""});
    // Bytes arrived each time, so the pause did not grow: 0.5 s, a quarter more or less.
    for (int64_t pause : bench.pauses) CHECK((pause >= 375 && pause <= 625));
}

TEST_CASE("a server that sends all of it, or another version, is started again with") {
    for (Act second : {Act{.ignore_range = true}, Act{.etag = "\"v2\"", .other_data = true},
                       Act{.status = 416}}) {
        Bench bench;
        bench.acts = {{.send = 30'000}, second, {}};
        Result<Downloaded> got = bench.run(bench.hash());
        REQUIRE(got);
        CHECK(bench.written() == bench.data);
        CHECK(bench.starts == Starts{0, 30'000, 0});
    }
}

TEST_CASE("joined parts of two versions are noticed and loaded again: catches trusting a resume") {
    Bench bench;  // no ETag, so only the hash can tell
    bench.acts = {{.send = 30'000, .etag = "", .other_data = true}, {.etag = ""}, {.etag = ""}};
    Result<Downloaded> got = bench.run(bench.hash());
    REQUIRE(got);
    CHECK(bench.written() == bench.data);
    CHECK(bench.starts == Starts{0, 30'000, 0});
}

TEST_CASE("without hash and without ETag nothing is joined") {
    Bench bench;
    bench.acts = {{.send = 30'000, .etag = ""}, {.etag = ""}};
    REQUIRE(bench.run(""));
    CHECK(bench.starts == Starts{0, 0});
    CHECK(bench.written() == bench.data);
}

TEST_CASE("a weak ETag does not vouch for the bytes") {
    Bench bench;
    bench.acts = {{.send = 30'000, .etag = "W/\"v1\""}, {}};
    REQUIRE(bench.run(""));
    CHECK(bench.starts == Starts{0, 0});
}

TEST_CASE("a wrong file is a checksum mismatch at once, not a reason to load it for ever") {
    Bench bench;
    bench.acts = {{.other_data = true}};
    Result<Downloaded> got = bench.run(bench.hash());
    REQUIRE_FALSE(got);
    CHECK(got.error().message() == "checksum mismatch");
    bench = Bench();
    bench.acts = {{.send = 30'000, .other_data = true}, {.other_data = true}, {.other_data = true}};
    got = bench.run(bench.hash());
    REQUIRE_FALSE(got);
    CHECK(got.error().message() == "checksum mismatch");
}

TEST_CASE("upper-case hashes are taken") {
    Bench bench;
    bench.acts = {{}};
    std::string upper = bench.hash();
    for (char& c : upper) c = static_cast<char>(toupper(c));
    CHECK(bench.run(upper));
}

TEST_CASE("404 ends it at once with epoxy_client's words; 503 is tried again with longer pauses") {
    Bench bench;
    bench.acts = {{.status = 404}};
    Result<Downloaded> got = bench.run("");
    REQUIRE_FALSE(got);
    CHECK(got.error().message() == "server returned 404 Not Found");
    CHECK(bench.pauses.empty());

    Bench busy;
    for (int i = 0; i < 6; ++i) busy.acts.push_back({.status = 503});
    got = busy.run("");
    REQUIRE_FALSE(got);
    CHECK(got.error().message() == "server returned 503 Service Unavailable");
    CHECK(busy.starts.size() == 6);
    REQUIRE(busy.pauses.size() == 5);
    for (size_t i = 0; i < 5; ++i) {
        int64_t middle = 500 << i;
        CHECK((busy.pauses[i] >= middle * 3 / 4 && busy.pauses[i] <= middle * 5 / 4));
    }
}

TEST_CASE("a refused certificate is not tried again, a reset connection is") {
    Bench bench;
    bench.acts = {{.error = Error(Code::kDenied, "certificate: unknown CA")}};
    CHECK(bench.run("").error().message() == "certificate: unknown CA");
    Bench reset;
    reset.acts = {{.error = Error(Code::kUnavailable, "connect h: refused")}, {}};
    CHECK(reset.run(reset.hash()));
}

TEST_CASE("limits: the whole time, the size") {
    Bench bench;
    for (int i = 0; i < 100; ++i) bench.acts.push_back({.send = 10});
    Result<Downloaded> got = bench.run(bench.hash(), {.total = Millis(10'000)});
    REQUIRE_FALSE(got);
    CHECK(got.error().code() == Code::kTimeout);
    CHECK(bench.starts.size() < 40);
    Bench large;
    large.acts = {{}};
    got = large.run("", {.max_bytes = 50'000});
    REQUIRE_FALSE(got);
    CHECK(got.error().code() == Code::kTooLarge);
}

TEST_CASE("a server that never resumes does not keep a node busy for ever") {
    Bench bench;
    for (int i = 0; i < 50; ++i) bench.acts.push_back({.send = 30'000, .ignore_range = true});
    Result<Downloaded> got = bench.run(bench.hash(), {.total = Millis(3600'000)});
    REQUIRE_FALSE(got);
}

TEST_CASE("a full disk ends it and says so") {
    Bench bench;
    bench.fd = UniqueFd(::open("/dev/full", O_WRONLY));
    bench.acts = {{}};
    Result<Downloaded> got = bench.run("");
    REQUIRE_FALSE(got);
    CHECK(got.error().message().find("No space left") != std::string::npos);
}
