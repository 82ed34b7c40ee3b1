// The HTTP client against a scripted server on the same loop (tests/unit/http_client_tls_test.cc:
// against OpenSSL).
#include "net/http_client.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <map>
#include <optional>

#include "base/strings.h"
#include "net/address.h"

using namespace planetbox;

namespace {

// Answers each request with the text that belongs to its path, byte for byte.
class ScriptServer {
public:
    explicit ScriptServer(Loop& loop, const char* address = "127.0.0.1") : loop_(loop) {
        Endpoint endpoint{*IpAddress::parse(address), 0};
        listener_ = std::move(listen_tcp(endpoint, 16).value());
        port = local_port(listener_.get());
        REQUIRE(loop_.watch(listener_.get(), EPOLLIN, [this](uint32_t) { accept(); }).has_value());
    }
    ~ScriptServer() {
        for (auto& [fd, text] : received_) {
            loop_.unwatch(fd);
            ::close(fd);
        }
        loop_.unwatch(listener_.get());
    }

    std::map<std::string, std::string> answers;  // path -> reply; "" = silence
    std::vector<std::string> requests;           // as they came
    int accepted = 0;
    uint16_t port = 0;

    std::string url(std::string_view path) const {
        return str_cat("http://127.0.0.1:", std::to_string(port), path);
    }

private:
    void accept() {
        int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        ++accepted;
        received_[fd] = "";
        REQUIRE(loop_.watch(fd, EPOLLIN, [this, fd](uint32_t) { read(fd); }).has_value());
    }
    void close(int fd) {
        loop_.unwatch(fd);
        ::close(fd);
        received_.erase(fd);
    }
    void read(int fd) {
        char buffer[65536];
        ssize_t count = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (count <= 0) return close(fd);
        std::string& text = received_[fd];
        text.append(buffer, static_cast<size_t>(count));
        size_t end = text.find("\r\n\r\n");
        if (end == std::string::npos) return;
        size_t at = text.find("Content-Length: ");
        size_t body = at < end ? std::stoul(text.substr(at + 16)) : 0;
        if (text.size() < end + 4 + body) return;
        requests.push_back(std::exchange(text, ""));
        auto words = split_words(requests.back());
        std::string answer = answers[std::string(words[1])];
        if (answer.empty()) return;
        (void)::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
        if (answer.find("Connection: close") != std::string::npos) close(fd);
    }

    Loop& loop_;
    UniqueFd listener_;
    std::map<int, std::string> received_;
};

std::string ok(std::string_view body, std::string_view extra = "") {
    return strf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n", body.size()) + std::string(extra) +
           "\r\n" + std::string(body);
}

struct Fixture {
    RealClock clock;
    std::unique_ptr<Loop> loop = std::move(Loop::create(clock).value());
    ScriptServer server{*loop};
    HttpClientOptions options{.allow_http = true};

    Result<HttpClientResponse> fetch(HttpClient& client, HttpClientRequest request) {
        std::optional<Result<HttpClientResponse>> answer;
        client.start(std::move(request),
                     [&](Result<HttpClientResponse> result) { answer = std::move(result); });
        MonoTime deadline = clock.mono() + Seconds(20);
        while (!answer && clock.mono() < deadline) REQUIRE(loop->turn(Millis(100)).has_value());
        REQUIRE(answer);
        return std::move(*answer);
    }
    Result<HttpClientResponse> fetch(HttpClientRequest request) {
        HttpClient client(*loop, options);
        return fetch(client, std::move(request));
    }
    Result<HttpClientResponse> get(std::string_view path) {
        HttpClientRequest request;
        request.url = server.url(path);
        return fetch(std::move(request));
    }
};

Error error_of(const Result<HttpClientResponse>& result) {
    REQUIRE(!result);
    return result.error();
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "an answer's parts arrive, whatever its status") {
    server.answers["/a"] =
        ok("hello", "Date: Sat, 21 Nov 2026 10:12:30 GMT\r\nX-Two: 1\r\nx-two: 2\r\n");
    server.answers["/missing"] = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone";
    auto a = get("/a");
    REQUIRE(a);
    CHECK(a->status == 200);
    CHECK(a->status_line == "200 OK");
    CHECK(a->body == "hello");
    CHECK(a->server_date == "Sat, 21 Nov 2026 10:12:30 GMT");
    CHECK(a->headers.get("X-TWO") == "1");
    auto missing = get("/missing");
    REQUIRE(missing);
    CHECK(missing->status == 404);
    CHECK(missing->status_line == "404 Not Found");
    CHECK(missing->body == "gone");
    CHECK(server.requests[0].find("User-Agent: planetbox\r\n") != std::string::npos);
    CHECK(server.requests[0].find("HTTP/1.1\r\n") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "methods, bodies and headers reach the server as given") {
    server.answers["/"] = ok("");
    HttpClientRequest request;
    request.url = server.url("/");
    request.method = "POST";
    request.body = std::string("a=1&b=\0x", 8);
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.headers.add("X-Empty", "");
    REQUIRE(fetch(request));
    CHECK(server.requests[0].starts_with("POST / HTTP/1.1\r\n"));
    CHECK(server.requests[0].ends_with("\r\n\r\n" + request.body));
    CHECK(server.requests[0].find("\r\nX-Empty:") != std::string::npos);
    CHECK(server.requests[0].find("Expect") == std::string::npos);
    request.method = "PUT";
    REQUIRE(fetch(request));
    CHECK(server.requests[1].starts_with("PUT / HTTP/1.1\r\n"));
    request.method = "DELETE";
    request.body.clear();
    REQUIRE(fetch(request));
    CHECK(server.requests[2].starts_with("DELETE / HTTP/1.1\r\n"));
    request.method = "HEAD";
    server.answers["/"] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    REQUIRE(fetch(request));
    request.headers.add("X-Evil", "a\r\nX-Smuggled: 1");
    CHECK(error_of(fetch(request)).code() == Code::kInvalid);
    CHECK(server.requests.size() == 4);
}

// Catches: a connection for every request, to a server a hemisphere away.
TEST_CASE_FIXTURE(Fixture, "one client keeps its connection") {
    server.answers["/"] = ok("x");
    HttpClient client(*loop, options);
    for (int i = 0; i < 3; ++i) REQUIRE(fetch(client, {.url = server.url("/")}));
    CHECK(server.accepted == 1);
}

TEST_CASE_FIXTURE(Fixture, "redirects are followed, so many, and POST becomes GET as in Go") {
    server.answers["/a"] = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmoved";
    server.answers["/b"] = ok("end");
    HttpClientRequest request{.method = "POST", .url = server.url("/a"), .body = "x=1"};
    std::string sunk;
    request.sink = [&](std::string_view data) -> Status {
        sunk += data;
        return {};
    };
    auto answer = fetch(request);
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(sunk == "end");  // nothing of the redirect's own body
    CHECK(server.requests[1].starts_with("GET /b "));

    server.answers["/loop"] = "HTTP/1.1 301 Moved\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n";
    size_t before = server.requests.size();
    Error error = error_of(get("/loop"));
    CHECK(error.code() == Code::kProtocol);
    CHECK(error.message().find("stopped after 10 redirects") != std::string::npos);
    CHECK(server.requests.size() == before + 11);

    server.answers["/file"] =
        "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n";
    CHECK(error_of(get("/file")).code() == Code::kProtocol);
}

TEST_CASE_FIXTURE(Fixture, "limits: body with and without a length, header fields") {
    HttpClientRequest request;
    request.max_body = 10;
    server.answers["/long"] = ok("12345678901");
    request.url = server.url("/long");
    CHECK(error_of(fetch(request)).code() == Code::kTooLarge);
    server.answers["/chunked"] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n";
    request.url = server.url("/chunked");
    CHECK(error_of(fetch(request)).code() == Code::kTooLarge);
    server.answers["/fits"] = ok("1234567890");
    request.url = server.url("/fits");
    CHECK(fetch(request).has_value());
    std::string many;
    for (int i = 0; i < 3000; ++i) many += strf("X-%d: 0123456789012345678901234567890\r\n", i);
    server.answers["/headers"] = ok("x", many);
    CHECK(error_of(get("/headers")).code() == Code::kTooLarge);
}

TEST_CASE_FIXTURE(Fixture, "a sink's error stops the transfer and is what is told") {
    server.answers["/"] = ok(std::string(100000, 'x'));
    HttpClientRequest request{.url = server.url("/")};
    int calls = 0;
    request.sink = [&](std::string_view) -> Status {
        ++calls;
        return fail(Error(Code::kIo, "disk full").with_errno(ENOSPC));
    };
    Error error = error_of(fetch(request));
    CHECK(error.code() == Code::kIo);
    CHECK(error.sys_errno() == ENOSPC);
    CHECK(calls == 1);
}

// Catches: an error page appended to an image, and a whole file appended to a part.
TEST_CASE_FIXTURE(Fixture, "resuming: partial, whole, wrong range, error page") {
    std::string sunk;
    uint64_t done = 0, total = 0;
    HttpClientRequest request{.url = server.url("/"), .resume_from = 4};
    request.sink = [&](std::string_view data) -> Status {
        sunk += data;
        return {};
    };
    request.progress = [&](uint64_t d, uint64_t t) {
        done = d;
        total = t;
    };
    server.answers["/"] =
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-9/10\r\nContent-Length: "
        "6\r\n\r\n456789";
    auto answer = fetch(request);
    REQUIRE(answer);
    CHECK(answer->status == 206);
    CHECK(sunk == "456789");
    CHECK(done == 10);
    CHECK(total == 10);
    CHECK(server.requests[0].find("\r\nRange: bytes=4-\r\n") != std::string::npos);

    sunk.clear();
    server.answers["/"] = ok("0123456789");
    REQUIRE(fetch(request));
    CHECK(sunk == "456789");
    CHECK(done == 10);

    sunk.clear();
    server.answers["/"] =
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 6-9/10\r\nContent-Length: "
        "4\r\n\r\n6789";
    CHECK(error_of(fetch(request)).code() == Code::kProtocol);
    server.answers["/"] = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 5\r\n\r\nerror";
    answer = fetch(request);
    REQUIRE(answer);
    CHECK(answer->status == 416);
    CHECK(answer->body == "error");
    CHECK(sunk.empty());
}

TEST_CASE_FIXTURE(Fixture, "failures name the server and what is the matter, and never the path") {
    auto check = [&](const HttpClientRequest& request, Code code, HttpFailure kind,
                     std::string_view words) {
        CAPTURE(request.url);
        Error error = error_of(fetch(request));
        CAPTURE(error.message());
        CHECK(error.code() == code);
        CHECK(http_failure(error) == kind);
        CHECK(error.message().find(words) != std::string::npos);
        CHECK(error.message().find("s3cret") == std::string::npos);
    };
    uint16_t closed_port;
    {
        ScriptServer closed(*loop);
        closed_port = closed.port;
    }
    check({.url = strf("http://127.0.0.1:%d/s3cret", closed_port)}, Code::kUnavailable,
          HttpFailure::kConnect, "Connection refused");
    check({.url = server.url("/s3cret?k=s3cret"), .total_timeout = Millis(300)}, Code::kTimeout,
          HttpFailure::kTransfer, "not finished within 300 ms");
    server.answers["/s3cret"] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    check({.url = server.url("/s3cret"), .low_speed_bytes = 100, .low_speed_time = Seconds(1)},
          Code::kTimeout, HttpFailure::kTransfer, "less than 100 bytes a second");
    server.answers["/s3cret"] =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc";
    check({.url = server.url("/s3cret")}, Code::kUnavailable, HttpFailure::kTransfer,
          "ended before the answer did");
    server.answers["/s3cret"] = "SSH-2.0-OpenSSH_9.2 Connection: close\r\n\r\n";
    check({.url = server.url("/s3cret")}, Code::kProtocol, HttpFailure::kOther, "not HTTP");
    check({.url = "ftp://127.0.0.1/s3cret"}, Code::kInvalid, HttpFailure::kOther, "");
    check({.url = "not a url s3cret"}, Code::kInvalid, HttpFailure::kOther, "URL");
    check({.url = "https://127.0.0.1/s3cret"}, Code::kInvalid, HttpFailure::kOther, "no CA");
    check({.url = "http://no-such-host.invalid/s3cret", .connect_timeout = Millis(1500)},
          Code::kUnavailable, HttpFailure::kDns, "no-such-host.invalid does not resolve");
    options.allow_http = false;
    check({.url = server.url("/s3cret")}, Code::kInvalid, HttpFailure::kOther, "plain http");
}

TEST_CASE_FIXTURE(Fixture, "IPv6 literals") {
    int probe = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    bool have_v6 =
        probe >= 0 && ::bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    if (probe >= 0) ::close(probe);
    if (!have_v6) {
        MESSAGE("no IPv6 here: not tried");
        return;
    }
    ScriptServer v6(*loop, "::1");
    v6.answers["/"] = ok("six");
    auto answer = fetch({.url = strf("http://[::1]:%d/", v6.port)});
    REQUIRE(answer);
    CHECK(answer->body == "six");
}

// Catches: a callback into somebody who is gone, from whichever place the end came.
TEST_CASE_FIXTURE(Fixture, "cancel and destruction silence a request, also from inside callbacks") {
    server.answers["/"] = ok("x");
    auto never = [](Result<HttpClientResponse>) { FAIL("called"); };
    {
        HttpClient client(*loop, options);
        client.start({.url = server.url("/silent")}, never);
        for (int i = 0; i < 5; ++i) REQUIRE(loop->turn(Millis(20)).has_value());
    }
    HttpClient client(*loop, options);
    client.cancel(client.start({.url = server.url("/")}, never));
    uint64_t id = 0;
    HttpClientRequest request{.url = server.url("/")};
    int sunk = 0;
    request.sink = [&](std::string_view) -> Status {
        ++sunk;
        client.cancel(id);
        return {};
    };
    id = client.start(request, never);
    for (int i = 0; i < 10; ++i) REQUIRE(loop->turn(Millis(20)).has_value());
    CHECK(sunk == 1);

    // A `done` that destroys the client while another answer waits to be told.
    auto doomed = std::make_unique<HttpClient>(*loop, options);
    int told = 0;
    for (int i = 0; i < 2; ++i)
        doomed->start({.url = "gopher://x/"}, [&](Result<HttpClientResponse>) {
            ++told;
            doomed.reset();
        });
    for (int i = 0; i < 5; ++i) REQUIRE(loop->turn(Millis(10)).has_value());
    CHECK(told == 1);

    // A `done` that starts the next request.
    bool second = false;
    client.start({.url = server.url("/")}, [&](Result<HttpClientResponse> first) {
        CHECK(first.has_value());
        client.start({.url = server.url("/")},
                     [&](Result<HttpClientResponse> answer) { second = answer.has_value(); });
    });
    for (int i = 0; i < 50 && !second; ++i) REQUIRE(loop->turn(Millis(50)).has_value());
    CHECK(second);
}
