#include <doctest/doctest.h>

#include <cstring>
#include <deque>

#include "http_rig.h"
#include "net/file_response.h"

using namespace planetbox;

static void echo(HttpRequest&& request, HttpResponder responder) {
    std::string body = str_cat(request.method, " ", request.path, " ", request.body);
    std::move(responder).reply(HttpResponse::text(200, body));
}

static size_t count(std::string_view text, std::string_view what) {
    size_t n = 0;
    for (size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; at += what.size())
        ++n;
    return n;
}

// Catches: answers out of order, a lost pipelined request, a connection closed although kept alive.
TEST_CASE("pipelined requests are answered in order on one connection") {
    HttpRig rig(echo);
    std::string requests;
    for (int i = 0; i < 100; ++i)
        requests += strf("POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", i);
    requests += "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    std::string answer = rig.once(requests);
    CHECK(count(answer, "HTTP/1.1 200 OK\r\n") == 101);
    size_t at = 0;
    for (int i = 0; i < 100; ++i) {
        size_t found = answer.find(strf("POST /%d abc", i), at);
        REQUIRE(found != std::string::npos);
        at = found;
    }
    CHECK(answer.ends_with("GET /last "));
    CHECK(count(answer, "Connection: close") == 1);
    CHECK(rig.server->stats().requests_total == 101);
    CHECK(rig.server->stats().connections_total == 1);
}

// Catches: a request that is understood only when it comes in one piece.
TEST_CASE("a request may come byte by byte") {
    HttpRig rig(echo);
    UniqueFd fd = rig.connect();
    std::string request =
        "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxy";
    for (size_t i = 0; i + 1 < request.size(); ++i) {
        REQUIRE(::send(fd.get(), &request[i], 1, MSG_NOSIGNAL) == 1);
        (void)rig.loop->turn(Millis(0));
    }
    CHECK(rig.talk(fd.get(), "y").ends_with("POST /p xy"));
}

// Catches: a body after HEAD, 204 or 304, which would be read as the next answer.
TEST_CASE("HEAD, 204 and 304 have no body") {
    HttpRig rig([](HttpRequest&& request, HttpResponder responder) {
        int status = request.path == "/204" ? 204 : request.path == "/304" ? 304 : 200;
        std::move(responder).reply(HttpResponse::text(status, "BODY"));
    });
    std::string answer = rig.once(
        "HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /204 HTTP/1.1\r\nHost: h\r\n\r\n"
        "GET /304 HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    CHECK(count(answer, "BODY") == 1);
    CHECK(answer.ends_with("BODY"));
    CHECK(count(answer, "Content-Length: 4") == 2);
}

// Catches: what makes two readers of one stream disagree (request smuggling), and garbage that
// hangs.
TEST_CASE("malformed and over-long requests are refused with the right status") {
    HttpLimits limits;
    limits.max_head = 2000;
    limits.max_body = 10;
    HttpRig rig(echo, limits);
    struct Case {
        std::string request;
        const char* status;
    };
    const Case cases[] = {
        {"garbage\r\n\r\n", "400"},
        {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "400"},
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
        {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505"},
        {"GET / HTTP/1.1\nHost: a\n\n", "400"},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", "400"},
        {"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /%2e%2e HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n", "421"},
        {"GET http://a/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200"},
        {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
         "4"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", "400"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", "400"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc", "400"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", "413"},
        {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\n\r\n", "417"},
        {"GET /" + std::string(3000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", "431"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(100'000, 'a') + "\r\n\r\n", "431"},
        {"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\nHost: a\r\n\r\n", "200"},
    };
    for (const Case& each : cases) {
        CAPTURE(each.request.substr(0, 80));
        std::string answer = rig.once(each.request);
        CHECK(answer.substr(0, 9 + strlen(each.status)) == str_cat("HTTP/1.1 ", each.status));
        CHECK(count(answer, "Connection: close\r\n") == 1);
        CHECK(count(answer, "\r\n\r\n") == 1);
    }
    CHECK(rig.server->stats().refused.at("head_too_large") == 2);
    CHECK(rig.server->stats().refused.at("body_too_large") == 1);
    CHECK(rig.server->stats().refused.at("misdirected") == 1);
}

// Catches: a client that is never told to go on, or told although its body is refused.
TEST_CASE("Expect: 100-continue is answered before the body, and not when it is refused") {
    HttpLimits limits;
    limits.max_body = 10;
    HttpRig rig(echo, limits);
    UniqueFd fd = rig.connect();
    std::string head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: ";
    CHECK(rig.talk(fd.get(), head + "5\r\n\r\n", "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(rig.talk(fd.get(), "12345", "12345").find("HTTP/1.1 200 OK") == 0);
    CHECK(rig.once(head + "50\r\n\r\n").find("HTTP/1.1 413") == 0);
}

// Catches: slow clients that hold a connection for ever, in each phase.
TEST_CASE("slow clients are told, and idle ones are closed") {
    HttpLimits limits;
    limits.head_timeout = limits.body_stall_timeout = limits.idle_timeout = Millis(150);
    HttpRig rig(echo, limits);
    bool closed = false;
    UniqueFd idle = rig.connect();
    CHECK(rig.talk(idle.get(), "", "<never>", &closed) == "");
    CHECK(closed);
    CHECK(rig.once("GET / HT").find("HTTP/1.1 408") == 0);
    CHECK(rig.once("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab")
              .find("HTTP/1.1 408") == 0);
    UniqueFd kept = rig.connect();
    CHECK(rig.talk(kept.get(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "<never>", &closed)
              .find("HTTP/1.1 200") == 0);
    CHECK(closed);
    CHECK(rig.server->stats().refused.at("head_timeout") == 1);
    CHECK(rig.server->stats().refused.at("body_timeout") == 1);
    CHECK(rig.until([&] { return rig.server->stats().connections_open == 0; }));
}

// Catches: a trickle of single bytes that puts the deadline off each time.
TEST_CASE("a trickled head meets its deadline all the same") {
    HttpLimits limits;
    limits.head_timeout = Millis(200);
    HttpRig rig(echo, limits);
    UniqueFd fd = rig.connect();
    std::string answer;
    REQUIRE(rig.until([&] {
        ::send(fd.get(), "G", 1, MSG_NOSIGNAL);
        char buffer[256];
        ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (n > 0) answer.append(buffer, static_cast<size_t>(n));
        return answer.find("408") != std::string::npos || answer.find("400") != std::string::npos;
    }));
}

// Catches: a client that never reads and so pins an answer in memory for ever.
TEST_CASE("a client that does not take its answer is dropped") {
    HttpLimits limits;
    limits.body_stall_timeout = Millis(200);
    HttpRig rig(
        [](HttpRequest&&, HttpResponder responder) {
            std::move(responder).reply(HttpResponse::text(200, std::string(64 << 20, 'x')));
        },
        limits);
    UniqueFd fd = rig.connect();
    REQUIRE(::send(fd.get(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, 0) == 27);
    CHECK(rig.until([&] { return rig.server->stats().refused.count("write_timeout") == 1; }));
    CHECK(rig.until([&] { return rig.server->stats().connections_open == 0; }));
}

// Catches: an answer after the client left that crashes, a dropped responder that hangs the client.
TEST_CASE("answers may come later, too late or never") {
    std::deque<HttpResponder> held;
    HttpRig rig([&](HttpRequest&& request, HttpResponder responder) {
        if (request.path == "/drop") return;
        held.push_back(std::move(responder));
    });
    CHECK(rig.once("GET /drop HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
              .find("HTTP/1.1 500") == 0);
    UniqueFd fd = rig.connect();
    // The second request and the client's half-close wait while the first is being handled.
    std::string two = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
    REQUIRE(::send(fd.get(), two.data(), two.size(), 0) == static_cast<ssize_t>(two.size()));
    shutdown(fd.get(), SHUT_WR);
    REQUIRE(rig.until([&] { return held.size() == 1; }));
    CHECK(!held[0].client_gone());
    std::move(held[0]).reply(HttpResponse::text(200, "one"));
    REQUIRE(rig.until([&] { return held.size() == 2; }));
    std::move(held[1]).reply(HttpResponse::text(200, "two"));
    std::string answer = rig.talk(fd.get(), "");
    CHECK(answer.find("one") < answer.find("two"));
    held.clear();

    UniqueFd leaver = rig.connect();
    REQUIRE(::send(leaver.get(), "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n", 28, 0) == 28);
    REQUIRE(rig.until([&] { return held.size() == 1; }));
    linger hard{1, 0};
    setsockopt(leaver.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    leaver.reset();  // RST
    CHECK(rig.until([&] { return held[0].client_gone(); }));
    std::move(held[0]).reply(HttpResponse::text(200, "nobody"));
    UniqueFd last = rig.connect();
    REQUIRE(::send(last.get(), "GET /4 HTTP/1.1\r\nHost: h\r\n\r\n", 28, 0) == 28);
    REQUIRE(rig.until([&] { return held.size() == 2; }));
    rig.server.reset();
    CHECK(held[1].client_gone());
    std::move(held[1]).reply(HttpResponse::text(200, "no server"));
}

// Catches: limits on connections that are not enforced, or that stay used up.
TEST_CASE("connections over the limit get 503, and come back when others leave") {
    HttpLimits limits;
    limits.max_connections = 2;
    HttpRig rig(echo, limits);
    UniqueFd a = rig.connect(), b = rig.connect();
    REQUIRE(rig.until([&] { return rig.server->stats().connections_open == 2; }));
    std::string answer = rig.once("");
    CHECK(answer.find("HTTP/1.1 503") == 0);
    CHECK(answer.find("Retry-After: ") != std::string::npos);
    CHECK(rig.server->stats().refused.at("too_many_connections") == 1);
    a.reset();
    REQUIRE(rig.until([&] { return rig.server->stats().connections_open == 1; }));
    CHECK(rig.once("GET / HTTP/1.0\r\n\r\n").find("HTTP/1.1 200") == 0);

    limits.max_connections = 100;
    limits.max_connections_per_peer = 1;
    HttpRig strict(echo, limits);
    UniqueFd c = strict.connect();
    REQUIRE(strict.until([&] { return strict.server->stats().connections_open == 1; }));
    CHECK(strict.once("").find("HTTP/1.1 503") == 0);
    c.reset();
    REQUIRE(strict.until([&] { return strict.server->stats().connections_open == 0; }));
    CHECK(strict.once("GET / HTTP/1.0\r\n\r\n").find("HTTP/1.1 200") == 0);
}

// Catches: a header value with a line break that starts a header (or a response) of its own, and a
// handler's Content-Length that disagrees with the body.
TEST_CASE("header values cannot break out") {
    HttpRig rig([](HttpRequest&&, HttpResponder responder) {
        HttpResponse response = HttpResponse::text(200, "abc");
        response.headers.add("X-A", "1\r\nX-Evil: 2");
        response.headers.add("Content-Length", "1");
        std::move(responder).reply(std::move(response));
    });
    std::string answer = rig.once("GET / HTTP/1.0\r\n\r\n");
    CHECK(answer.find("\r\nX-Evil") == std::string::npos);
    CHECK(answer.find("X-A: 1  X-Evil: 2\r\n") != std::string::npos);
    CHECK(count(answer, "Content-Length") == 1);
    CHECK(answer.ends_with("\r\n\r\nabc"));
}

// Catches: requests cut off by a drain, a drain that never ends, one that ends too late.
TEST_CASE("drain finishes what runs and closes the rest") {
    std::deque<HttpResponder> held;
    HttpRig rig(
        [&](HttpRequest&&, HttpResponder responder) { held.push_back(std::move(responder)); });
    UniqueFd idle = rig.connect(), busy = rig.connect(), stuck = rig.connect();
    REQUIRE(::send(busy.get(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, 0) == 27);
    REQUIRE(::send(stuck.get(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, 0) == 27);
    REQUIRE(rig.until([&] { return held.size() == 2; }));
    bool done = false;
    rig.server->drain(Millis(300), [&] { done = true; });
    bool closed = false;
    CHECK(rig.talk(idle.get(), "", "<never>", &closed) == "");
    CHECK(closed);
    CHECK(!rig.connect().ok());
    // Which of the two came first is not known: both get their answer started, one is kept.
    std::move(held[0]).reply(HttpResponse::text(200, "bye"));
    CHECK(!done);
    CHECK(rig.until([&] { return done; }));
    CHECK(rig.server->stats().connections_open == 0);
    std::string answers = rig.talk(busy.get(), "") + rig.talk(stuck.get(), "");
    CHECK(count(answers, "bye") == 1);
    CHECK(count(answers, "Connection: close") == 1);
}

// Catches: an access log that misses requests, their size or whether they were finished.
TEST_CASE("the observer learns of every exchange") {
    struct Seen {
        std::string target;
        int status;
        bool completed;
        uint64_t bytes;
    };
    std::vector<Seen> seen;
    HttpRig rig(echo);
    rig.server->set_observer([&](const HttpExchange& e) {
        seen.push_back({e.request.target, e.status, e.completed, e.bytes_sent});
    });
    std::string answer = rig.once("GET /a?b HTTP/1.0\r\n\r\n");
    rig.once("GET /../x HTTP/1.0\r\n\r\n");
    REQUIRE(rig.until([&] { return seen.size() == 2; }));
    CHECK(seen[0].target == "/a?b");
    CHECK(seen[0].status == 200);
    CHECK(seen[0].completed);
    CHECK(seen[0].bytes == answer.size());
    CHECK(seen[1].status == 400);
}

static HttpServer::Handler file_handler(const std::string& path) {
    return [path](HttpRequest&& request, HttpResponder responder) {
        FileMeta meta;
        meta.etag = "v1";
        meta.mtime = from_unix_seconds(1'700'000'000);
        auto fd = open_file(path, O_RDONLY);
        std::move(responder).reply(fd ? serve_file(request, std::move(*fd), meta)
                                      : HttpResponse::text(404, "none"));
    };
}

static std::string body_of(const std::string& answer) {
    size_t at = answer.find("\r\n\r\n");
    return at == std::string::npos ? "" : answer.substr(at + 4);
}

// Catches: off-by-one ranges, mixed versions on resume, and conditional requests that are ignored.
TEST_CASE("files: ranges, conditions, HEAD") {
    auto dir = TempDir::create();
    REQUIRE(dir);
    std::string path = dir->path() + "/f", data;
    for (int i = 0; i < 100'000; ++i) data += static_cast<char>('a' + i % 26);
    REQUIRE(write_file_atomic(path, data));
    HttpRig rig(file_handler(path));
    auto get = [&](const std::string& fields, const char* method = "GET") {
        return rig.once(str_cat(method, " /f HTTP/1.0\r\n", fields, "\r\n"));
    };
    std::string all = get("");
    CHECK(all.find("HTTP/1.1 200") == 0);
    CHECK(all.find("ETag: \"v1\"") != std::string::npos);
    CHECK(all.find("Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT") != std::string::npos);
    CHECK((body_of(all) == data));
    std::string part = get("Range: bytes=99990-\r\n");
    CHECK(part.find("HTTP/1.1 206") == 0);
    CHECK(part.find("Content-Range: bytes 99990-99999/100000") != std::string::npos);
    CHECK(body_of(part) == data.substr(99990));
    CHECK(body_of(get("Range: bytes=0-0\r\n")) == "a");
    CHECK(body_of(get("Range: bytes=-3\r\n")) == data.substr(99997));
    CHECK((body_of(get("Range: bytes=10-999999\r\n")) == data.substr(10)));
    CHECK(get("Range: bytes=100000-\r\n").find("HTTP/1.1 416") == 0);
    CHECK(get("Range: bytes=100000-\r\n").find("Content-Range: bytes */100000") !=
          std::string::npos);
    CHECK(get("Range: bytes=5-2\r\n").find("HTTP/1.1 200") == 0);
    CHECK(get("Range: bytes=1-2,5-6\r\n").find("HTTP/1.1 200") == 0);
    CHECK(get("If-Range: \"v1\"\r\nRange: bytes=1-2\r\n").find("HTTP/1.1 206") == 0);
    CHECK(get("If-Range: \"v2\"\r\nRange: bytes=1-2\r\n").find("HTTP/1.1 200") == 0);
    CHECK(get("If-Range: W/\"v1\"\r\nRange: bytes=1-2\r\n").find("HTTP/1.1 200") == 0);
    CHECK(get("If-None-Match: \"x\", W/\"v1\"\r\n").find("HTTP/1.1 304") == 0);
    CHECK(get("If-None-Match: \"x\"\r\n").find("HTTP/1.1 200") == 0);
    CHECK(get("If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n").find("HTTP/1.1 304") == 0);
    CHECK(get("If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n").find("HTTP/1.1 200") == 0);
    std::string head = get("", "HEAD");
    CHECK(head.find("Content-Length: 100000") != std::string::npos);
    CHECK(body_of(head) == "");
    CHECK(get("", "PUT").find("HTTP/1.1 405") == 0);
}

// Catches: a promise of more bytes than the file still has, kept by sending the next answer's
// bytes.
TEST_CASE("a file that shrinks under way ends the connection") {
    auto dir = TempDir::create();
    REQUIRE(dir);
    std::string path = dir->path() + "/f";
    REQUIRE(write_file_atomic(path, std::string(8 << 20, 'x')));
    HttpRig rig(file_handler(path));
    UniqueFd fd = rig.connect();
    std::string got = rig.talk(fd.get(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n");
    REQUIRE(truncate(path.c_str(), 1000) == 0);
    bool closed = false;
    got += rig.talk(fd.get(), "", "<never>", &closed);
    CHECK(closed);
    CHECK(got.size() < (8u << 20));
}
