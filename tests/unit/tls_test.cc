#include <doctest/doctest.h>

#include "http_rig.h"
#include "net/file_response.h"

using namespace planetbox;

static void hello(HttpRequest&& request, HttpResponder responder) {
    std::move(responder).reply(
        HttpResponse::text(200, str_cat("hello ", request.tls_client, "\n")));
}

// A directory with the test CA, and commands of other implementations against a rig.
struct Peers {
    TempDir dir = TempDir::create().value();
    std::string ca = dir.path() + "/ca.pem";
    Peers() { CHECK(write_file_atomic(ca, TestTrust::get().ca.cert_pem)); }

    std::string s_client(HttpRig& rig, std::vector<std::string> more) {
        std::vector<std::string> argv = {
            "openssl", "s_client", "-connect", strf("127.0.0.1:%u", rig.port), "-CAfile", ca};
        argv.insert(argv.end(), more.begin(), more.end());
        return rig.run(argv, "");
    }
    std::string curl(HttpRig& rig, std::vector<std::string> more, int* status = nullptr) {
        std::vector<std::string> argv = {"curl", "-sS", "-m", "10", "--cacert", ca};
        argv.insert(argv.end(), more.begin(), more.end());
        argv.push_back(strf("https://localhost:%u/x", rig.port));
        return rig.run(argv, "", status);
    }
};

static bool has(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

// Catches: iPXE being sent an ECDSA certificate or a chain without the root; everybody else RSA.
TEST_CASE("the certificate follows from what the ClientHello offers") {
    HttpRig rig(hello, {}, true);
    Peers peers;
    // As stock iPXE: TLS 1.2, two ciphers, no ECDSA signature, an IP literal as server name.
    std::string ipxe = peers.s_client(
        rig, {"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384",
              "-sigalgs", "RSA+SHA256:RSA+SHA384:RSA+SHA512", "-groups", "X25519:P-256:P-384",
              "-servername", "127.0.0.1", "-showcerts"});
    CHECK(has(ipxe, "Verify return code: 0 (ok)"));
    CHECK(has(ipxe, "Cipher is ECDHE-RSA-AES128-GCM-SHA256"));
    CHECK(has(ipxe, " 1 s:CN = test root"));
    for (const char* group : {"X25519", "P-256", "P-384"})
        CHECK(has(peers.s_client(
                      rig, {"-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384", "-groups", group}),
                  "Verify return code: 0 (ok)"));
    std::string modern = peers.s_client(rig, {"-tls1_2"});
    CHECK(has(modern, "Cipher is ECDHE-ECDSA-AES"));
    CHECK(has(modern, "Verify return code: 0 (ok)"));
    std::string newest = peers.s_client(rig, {"-tls1_3"});
    CHECK(has(newest, "Peer signature type: ECDSA"));
    CHECK(has(newest, "Verify return code: 0 (ok)"));
    CHECK(rig.server->stats().handshakes_total == 6);
    CHECK(rig.server->stats().handshake_failures == 0);
}

// Catches: handshakes that should fail but do not, and failures counted under the wrong word.
TEST_CASE("failed handshakes are counted by reason") {
    HttpRig rig(hello, {}, true);
    Peers peers;
    auto counted = [&](const char* reason) {
        auto found = rig.context->failures().find(reason);
        return found == rig.context->failures().end() ? 0 : found->second;
    };
    int status = 0;
    auto other = create_ca({"other root", 10, 2048}, rig.clock.wall()).value();
    REQUIRE(write_file_atomic(peers.dir.path() + "/other.pem", other.cert_pem));
    peers.curl(rig, {"--cacert", peers.dir.path() + "/other.pem"}, &status);
    CHECK(status != 0);
    CHECK(rig.until([&] { return counted("unknown_ca") == 1; }));
    peers.curl(rig, {"--tls-max", "1.2", "--cacert", peers.dir.path() + "/other.pem"}, &status);
    CHECK(status != 0);
    CHECK(rig.until([&] { return counted("unknown_ca") == 2; }));

    peers.s_client(rig, {"-tls1_2", "-cipher", "AES128-SHA"});  // RSA key exchange: not allowed
    CHECK(rig.until([&] { return counted("no_shared_cipher") == 1; }));
    peers.s_client(rig, {"-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"});
    CHECK(rig.until([&] { return counted("protocol_version") == 1; }));

    std::string plain = rig.once("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(has(plain, "HTTP/1.1 400 Bad Request"));
    CHECK(has(plain, "https://"));
    CHECK(rig.once("SSH-2.0-OpenSSH\r\n") == "");
    CHECK(rig.until([&] { return counted("not_tls") == 2; }));

    rig.connect().reset();
    CHECK(rig.until([&] { return counted("empty") == 1; }));
    {
        UniqueFd half = rig.connect();
        REQUIRE(::send(half.get(), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9, 0) == 9);
        REQUIRE(rig.until([&] { return rig.server->stats().connections_open == 1; }));
        for (int i = 0; i < 5; ++i) (void)rig.loop->turn(Millis(1));
    }
    CHECK(rig.until([&] { return counted("reset") == 1; }));
    rig.once(std::string_view("\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", 10));
    CHECK(rig.server->stats().handshake_failures == 9);
    CHECK(rig.server->stats().handshakes_total == 0);
    CHECK(rig.until([&] { return rig.server->stats().connections_open == 0; }));
}

// Catches: a certificate that ran out reported as something else.
TEST_CASE("a peer that finds our certificate expired is counted as such") {
    RealClock clock;
    ServerCertRequest request;
    request.names = {"localhost"};
    request.days = 1;
    auto old =
        issue_server_cert(TestTrust::get().ca, request, clock.wall() - std::chrono::hours(24 * 30));
    REQUIRE(old);
    TlsServerConfig config;
    config.certs = {*old};
    HttpRig rig(hello, {}, true, config);
    Peers peers;
    for (const char* version : {"1.2", "1.3"}) peers.curl(rig, {"--tls-max", version});
    CHECK(rig.until([&] { return rig.server->stats().handshake_failures == 2; }));
    CHECK(rig.context->failures().at("expired") == 2);
}

// Catches: a client that begins a handshake and holds it for ever.
TEST_CASE("half a handshake meets its deadline") {
    HttpLimits limits;
    limits.handshake_timeout = Millis(150);
    HttpRig rig(hello, limits, true);
    bool closed = false;
    UniqueFd fd = rig.connect();
    rig.talk(fd.get(), std::string_view("\x16\x03\x01", 3), "<never>", &closed);
    CHECK(closed);
    CHECK(rig.context->failures().at("timeout") == 1);
}

// Catches: old ROMs locked out although the operator lets them in.
TEST_CASE("RSA key exchange is offered when asked for") {
    auto config = TestTrust::get().config();
    config.allow_rsa_key_exchange = true;
    HttpRig rig(hello, {}, true, config);
    Peers peers;
    for (const char* cipher : {"AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES128-GCM-SHA256"})
        CHECK(has(peers.s_client(rig, {"-tls1_2", "-cipher", cipher}),
                  str_cat("Cipher is ", cipher)));
}

// Catches: sessions that are never resumed (a full handshake each time costs ten times as much).
TEST_CASE("sessions resume by ticket") {
    HttpRig rig(hello, {}, true);
    Peers peers;
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        std::string session = peers.dir.path() + "/session";
        std::vector<std::string> common = {version, "-ign_eof"};
        std::string request = "GET / HTTP/1.0\r\n\r\n";
        std::vector<std::string> argv = {
            "openssl",   "s_client", "-connect", strf("127.0.0.1:%u", rig.port),
            version,     "-ign_eof", "-CAfile",  peers.ca,
            "-sess_out", session};
        CHECK(has(rig.run(argv, request), "hello"));
        argv[argv.size() - 2] = "-sess_in";
        std::string second = rig.run(argv, request);
        CHECK(has(second, "Reused, "));
        CHECK(has(second, "hello"));
    }
}

// Catches: a client certificate that is ignored, and one of another CA that is believed.
TEST_CASE("client certificates are named only when they verify") {
    RealClock clock;
    auto config = TestTrust::get().config();
    config.client_ca_pem = TestTrust::get().ca.cert_pem;
    HttpRig rig(hello, {}, true, config);
    Peers peers;
    auto other = create_ca({"other root", 10, 2048}, clock.wall()).value();
    ServerCertRequest request;
    request.names = {"client1"};
    auto use = [&](const CertAndKey& ca) {
        auto cert = issue_server_cert(ca, request, clock.wall()).value();
        CHECK(write_file_atomic(peers.dir.path() + "/c.pem", cert.cert_pem));
        CHECK(write_file_atomic(peers.dir.path() + "/k.pem", cert.key_pem));
        return std::vector<std::string>{"--cert", peers.dir.path() + "/c.pem", "--key",
                                        peers.dir.path() + "/k.pem"};
    };
    CHECK(peers.curl(rig, {}) == "hello \n");
    CHECK(peers.curl(rig, use(other)) == "hello \n");
    // The test CA's leaves are for servers; a certificate for clients is not ours to write yet, so
    // this shows the refusal of a wrong purpose, too.
    CHECK(peers.curl(rig, use(TestTrust::get().ca)) == "hello \n");
}

// Catches: bytes lost or doubled when the socket is full, in both directions and versions.
TEST_CASE("large bodies and files survive TLS") {
    auto dir = TempDir::create().value();
    std::string path = dir.path() + "/big", data;
    for (unsigned i = 0; data.size() < (6u << 20); ++i) data += strf("%u,", i * 7919);
    REQUIRE(write_file_atomic(path, data));
    HttpLimits limits;
    limits.max_body = 16u << 20;
    HttpRig rig(
        [&](HttpRequest&& request, HttpResponder responder) {
            if (request.method == "POST")
                return std::move(responder).reply(HttpResponse::text(200, std::move(request.body)));
            std::move(responder).reply(serve_file(request, open_file(path, O_RDONLY).value(), {}));
        },
        limits, true);
    Peers peers;
    for (const char* version : {"1.2", "1.3"}) {
        CHECK((peers.curl(rig, {"--tls-max", version}) == data));
        CHECK((peers.curl(rig, {"--tls-max", version, "--limit-rate", "8M"}) == data));
        CHECK((peers.curl(rig, {"--tls-max", version, "--data-binary", "@" + path}) == data));
        CHECK((peers.curl(rig, {"--tls-max", version, "-r", "1000-2000000"}) ==
               data.substr(1000, 1'999'001)));
    }
    // A client that wants records of 512 bytes.
    std::string small = peers.s_client(rig, {"-maxfraglen", "512", "-tls1_2"});
    CHECK(has(small, "Verify return code: 0 (ok)"));
}

// Catches: configurations that would only fail at the first client.
TEST_CASE("a context refuses keys and certificates that do not fit") {
    const TestTrust& trust = TestTrust::get();
    TlsServerConfig config;
    CHECK(!TlsContext::create(config));
    config.certs = {{trust.rsa.cert_pem, trust.ecdsa.key_pem}};
    CHECK(!TlsContext::create(config));
    config.certs = {{"nonsense", trust.ecdsa.key_pem}};
    CHECK(!TlsContext::create(config));
    config.certs = {trust.rsa};
    config.client_ca_pem = "nonsense";
    CHECK(!TlsContext::create(config));
}

// Catches: a renewal that needs a restart, or that cuts connections.
TEST_CASE("replace_tls serves the new certificate to new connections") {
    HttpRig rig(hello, {}, true);
    Peers peers;
    TlsServerConfig rsa_only;
    rsa_only.certs = {TestTrust::get().rsa};
    CHECK(has(peers.s_client(rig, {"-tls1_2"}), "ECDHE-ECDSA"));
    rig.server->replace_tls(TlsContext::create(rsa_only).value());
    CHECK(has(peers.s_client(rig, {"-tls1_2"}), "ECDHE-RSA"));
}
