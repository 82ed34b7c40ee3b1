#include <doctest/doctest.h>

#include "net/address.h"
#include "net/http_message.h"
#include "net/http_parser.h"

using namespace planetbox;

// Catches: two ways of writing one peer that compare unequal, text that is no address taken for
// one.
TEST_CASE("addresses parse, fold and print as RFC 5952 says") {
    struct Case {
        const char *in, *out;
    };
    for (auto [in, out] : {Case{"10.0.0.1", "10.0.0.1"}, Case{"2001:DB8::0001", "2001:db8::1"},
                           Case{"::ffff:192.0.2.1", "192.0.2.1"}, Case{"::", "::"},
                           Case{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
                           Case{"fe80:0:0:1:0:0:0:1", "fe80:0:0:1::1"}})
        CHECK(IpAddress::parse(in).value().text() == out);
    CHECK(IpAddress::parse("::ffff:1.2.3.4") == IpAddress::parse("1.2.3.4"));
    for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.4 ", "::g",
                            "fe80::1%eth0", "[::1]", "host"})
        CHECK(!IpAddress::parse(bad));
    CHECK(!IpAddress::parse(std::string("1.2.3.4\0x", 9)));
    CHECK(IpAddress::parse("127.8.0.1")->is_loopback());
    CHECK(IpAddress::parse("::1")->is_loopback());
    CHECK(!IpAddress::parse("128.0.0.1")->is_loopback());
}

// Catches: an endpoint that listens somewhere else than its author meant.
TEST_CASE("endpoints take the forms that the help promises, and no others") {
    CHECK(parse_endpoint("10.0.0.1:443")->text() == "10.0.0.1:443");
    CHECK(parse_endpoint("[2001:db8::1]:443")->text() == "[2001:db8::1]:443");
    CHECK(parse_endpoint(":443")->text() == "[::]:443");
    CHECK(parse_endpoint("443")->text() == "[::]:443");
    CHECK(parse_endpoint("0.0.0.0:0")->port == 0);
    for (const char* bad : {"", ":", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "host:1", "::1:443",
                            "[::1]", "[::1", "[10.0.0.1:5", "1.2.3.4:-1", "1.2.3.4:+1"}) {
        CAPTURE(bad);
        auto endpoint = parse_endpoint(bad);
        REQUIRE(!endpoint);
        CHECK(endpoint.error().message().find("write ") != std::string::npos);
    }
}

// Catches: a socket that does not take IPv4 on "::", ports that cannot be learnt or reused.
TEST_CASE("listen_tcp binds, tells its port and refuses a port in use") {
    auto first = listen_tcp(parse_endpoint("127.0.0.1:0").value(), 8);
    REQUIRE(first);
    uint16_t port = local_port(first->get());
    CHECK(port != 0);
    auto second = listen_tcp({IpAddress::parse("127.0.0.1").value(), port}, 8);
    REQUIRE(!second);
    CHECK(second.error().sys_errno() == EADDRINUSE);
    CHECK(second.error().message().find("127.0.0.1:") != std::string::npos);
    CHECK(listen_tcp(parse_endpoint("127.0.0.1:0").value(), 8, true));
    CHECK(listen_tcp(parse_endpoint(":0").value(), 8));
}

// Catches: headers that depend on the case of their names, or set() leaving a second one behind.
TEST_CASE("header names compare without case") {
    HttpHeaders headers;
    headers.add("X-A", "1");
    headers.add("x-a", "2");
    headers.add("B", "3");
    CHECK(headers.get("X-a") == "1");
    CHECK(!headers.get("X-"));
    headers.set("x-A", "4");
    CHECK(headers.all().size() == 2);
    CHECK(headers.get("x-a") == "4");
    headers.set("C", "5");
    CHECK(headers.get("c") == "5");
}

// Catches: an escape that is lost, or one that is broken and passes.
TEST_CASE("percent-encoding goes both ways") {
    std::string all;
    for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
    CHECK(url_decode(url_encode(all), false) == all);
    CHECK(url_decode(url_encode(all), true) == all);
    CHECK(url_encode("a b&c=%+~/") == "a%20b%26c%3D%25%2B~%2F");
    CHECK(url_decode("a+b", true) == "a b");
    CHECK(url_decode("a+b", false) == "a+b");
    for (const char* bad : {"%", "%1", "%zz", "a%2", "%%20"}) CHECK(!url_decode(bad, false));
}

// Catches: fields that run together, & and % that do not survive, unbounded numbers of fields.
TEST_CASE("urlencoded forms") {
    auto fields = parse_form("a=1&b=x%26y%25+z&&c&=d&a=2");
    REQUIRE(fields);
    CHECK((*fields == FormFields{{"a", "1"}, {"b", "x&y% z"}, {"c", ""}, {"", "d"}, {"a", "2"}}));
    CHECK(parse_form("")->empty());
    CHECK(!parse_form("a=%"));
    CHECK(parse_form("a&b&c", 3));
    auto many = parse_form("a&b&c&d", 3);
    REQUIRE(!many);
    CHECK(many.error().code() == Code::kTooLarge);
}

static Result<FormFields> body_form(const char* type, const char* body) {
    HttpRequest request;
    request.headers.add("Content-Type", type);
    request.body = body;
    return parse_form_body(request, 3);
}

// Catches: multipart bodies as curl, browsers and Go write them read wrongly; broken ones believed.
TEST_CASE("multipart forms") {
    const char* type = "multipart/form-data; charset=utf-8; boundary=\"x y\"";
    auto fields =
        body_form(type,
                  "preamble\r\n--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2"
                  "\r\n--x y  \r\ncontent-type: text/plain\r\nCONTENT-DISPOSITION:form-data; "
                  "filename=\"f;.txt\"; name=\"q\\\"q\"\r\n\r\n\r\n--x y--\r\nepilogue");
    REQUIRE(fields);
    CHECK((*fields == FormFields{{"a", "1\r\n2"}, {"q\"q", ""}}));
    CHECK(body_form(type, "--x y--\r\n")->empty());
    const char* broken[] = {
        "",
        "--x y",
        "--x y\r\n",
        "--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1",
        "--x y\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x y--",
        "--x y\r\n\r\n1\r\n--x y--",
        "--x yz\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x y--",
        "--x y\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--x y--"};
    for (const char* body : broken) {
        CAPTURE(body);
        CHECK(!body_form(type, body));
    }
    std::string four;
    for (int i = 0; i < 4; ++i)
        four += "--x y\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
    CHECK(body_form(type, (four + "--x y--").c_str()).error().code() == Code::kTooLarge);
    CHECK(!body_form("multipart/form-data", "x"));
    CHECK(!body_form("text/plain", "a=b"));
    CHECK(body_form("text/plain", "")->empty());
    CHECK((*body_form("Application/X-WWW-form-urlencoded; charset=utf-8", "a=b") ==
           FormFields{{"a", "b"}}));
}

// Catches: requests sent to another host or port than the URL names.
TEST_CASE("URLs split as RFC 3986 says") {
    auto url = parse_url("HTTPS://Boot.Example:8443/a%20b?c=d#frag");
    REQUIRE(url);
    CHECK(url->scheme == "https");
    CHECK(url->host == "boot.example");
    CHECK(url->port == 8443);
    CHECK(url->path_and_query == "/a%20b?c=d");
    CHECK(parse_url("http://[2001:db8::1]?q")->host == "2001:db8::1");
    CHECK(parse_url("http://[2001:db8::1]?q")->path_and_query == "/?q");
    CHECK(parse_url("https://h")->port == 443);
    CHECK(parse_url("file:///etc/x")->path_and_query == "/etc/x");
    for (const char* bad :
         {"", "h/x", "ftp://h/", "http://", "http:///x", "http://u@h/", "http://u:p@h/",
          "http://h:0/", "http://h:99999/", "http://h:x/", "http://h /", "http://[::1/",
          "http://[1.2.3.4]/", "http://[::1]x/", "http://h\r\nX: y/", "http://a%41/"}) {
        CAPTURE(bad);
        CHECK(!parse_url(bad));
    }
}

// Catches: a parser whose answer depends on how the network cut the bytes.
TEST_CASE("the request parser does not care where its input is cut") {
    std::string text =
        "\r\nPOST /a%2Fb?x=1 HTTP/1.1\r\nHost: h\r\nX-Y:  z \t\r\nContent-Length: "
        "5\r\n\r\nhelloGET /";
    for (size_t cut = 0; cut <= text.size(); ++cut) {
        HttpParser parser(1000, [](const HttpRequest&) { return size_t{5}; });
        size_t used = parser.feed(text.substr(0, cut));
        if (used == cut) used += parser.feed(text.substr(cut));
        CHECK(parser.state() == HttpParser::State::kComplete);
        CHECK(text.substr(used) == "GET /");
        const HttpRequest& request = parser.request();
        CHECK(request.method == "POST");
        CHECK(request.path == "/a/b");
        CHECK(request.query == "x=1");
        CHECK(request.target == "/a%2Fb?x=1");
        CHECK(request.headers.get("x-y") == "z");
        CHECK(request.body == "hello");
        CHECK(parser.keep_alive());
    }
}
