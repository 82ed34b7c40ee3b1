#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "base/strings.h"
#include "crypto/ca.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "sys/files.h"
#include "sys/process.h"

using namespace planetbox;

// Catches: a digest that is right for one call but not for pieces, or after reset().
TEST_CASE("sha256 knows FIPS 180-2's vectors, whole and in pieces") {
    CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    Sha256 hash;
    hash.update("a");
    hash.update("");
    hash.update("bc");
    CHECK(hash.finish_hex() == sha256_hex("abc"));
    hash.reset();
    CHECK(hash.finish_hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// Catches: hashing only the first block of a file, and errors without the path.
TEST_CASE("sha256_file_hex reads whole files") {
    auto dir = TempDir::create();
    REQUIRE(dir);
    std::string data(300'001, 'x'), path = dir->path() + "/f";
    REQUIRE(write_file_atomic(path, data));
    CHECK(sha256_file_hex(path).value() == sha256_hex(data));
    auto missing = sha256_file_hex(dir->path() + "/nope");
    REQUIRE(!missing);
    CHECK(missing.error().code() == Code::kNotFound);
    CHECK(missing.error().message().find("/nope") != std::string::npos);
}

// Catches: a wrong key padding; RFC 4231 cases 2 and 6 (key longer than a block).
TEST_CASE("hmac_sha256 knows RFC 4231") {
    CHECK(hex(as_bytes(hmac_sha256("Jefe", "what do ya want for nothing?"))) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(hex(as_bytes(hmac_sha256(std::string(131, '\xaa'),
                                   "Test Using Larger Than Block-Size Key - Hash Key First"))) ==
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// Catches: a salt that repeats, acceptance of a wrong password, and stalls or crashes on bad text.
TEST_CASE("passwords verify, and only they") {
    std::string stored = hash_password("correct horse");
    CHECK(stored != hash_password("correct horse"));
    CHECK(verify_password("correct horse", stored));
    CHECK(!verify_password("correct horsf", stored));
    CHECK(!verify_password("", stored));
    for (std::string bad :
         {"", "pbkdf2-sha256", "pbkdf2-sha256$1$$", "$$$", "pbkdf2-sha256$0$AAAAAAAAAAA$AA",
          "pbkdf2-sha256$99999999999$AAAAAAAAAAAAAAAAAAAAAA$AA", "plain"})
        CHECK(!verify_password("correct horse", bad));
    // Made by Python's hashlib.pbkdf2_hmac("sha256", b"Password", b"NaCl-and-more", 80000).
    CHECK(verify_password(
        "Password",
        "pbkdf2-sha256$80000$TmFDbC1hbmQtbW9yZQ$RblClNmNKeoRB90P72g-5YFfetfudwBXvYqhK2JOkm4"));
}

// Catches: parent and child handing out the same token after a fork.
TEST_CASE("random bytes differ across calls and across a fork") {
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) CHECK(seen.insert(random_token()).second);
    CHECK(random_token().size() == 27);
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::string mine = random_bytes(32);
        _exit(write(ends[1], mine.data(), mine.size()) == 32 ? 0 : 1);
    }
    std::string ours = random_bytes(32), theirs(32, '\0');
    REQUIRE(read(ends[0], theirs.data(), 32) == 32);
    waitpid(child, nullptr, 0);
    close(ends[0]);
    close(ends[1]);
    CHECK(ours != theirs);
    CHECK(random_bytes(5000).size() == 5000);
}

// Catches: look-alike letters, and a password that is too short to be one.
TEST_CASE("random_password is four groups without look-alikes") {
    std::string password = random_password();
    CHECK(password.size() == 23);
    CHECK(password.find_first_of("0O1lI") == std::string::npos);
    CHECK(split(password, '-').size() == 4);
}

// Catches: signatures that verify for other data or another key, and keys of the wrong kind taken.
TEST_CASE("signatures fit one key and one text") {
    auto key = SigningKey::generate().value();
    auto other = SigningKey::generate().value();
    std::string signature = key.sign("snapshot").value();
    CHECK(verify_signature(key.public_pem(), "snapshot", signature));
    auto changed = verify_signature(key.public_pem(), "snapshoT", signature);
    REQUIRE(!changed);
    CHECK(changed.error().code() == Code::kDenied);
    CHECK(!verify_signature(other.public_pem(), "snapshot", signature));
    CHECK(!verify_signature(key.public_pem(), "snapshot", ""));
    CHECK(!verify_signature(key.public_pem(), "snapshot", "garbage"));
    CHECK(!verify_signature("not a key", "snapshot", signature));
    auto again = SigningKey::from_pem(key.private_pem()).value();
    CHECK(again.key_id() == key.key_id());
    CHECK(again.key_id().size() == 16);
    CHECK(verify_signature(key.public_pem(), "x", again.sign("x").value()));
    CHECK(!SigningKey::from_pem("nonsense"));
}

static std::string openssl(std::vector<std::string> argv) {
    argv.insert(argv.begin(), "openssl");
    SpawnOptions options;
    options.argv = argv;
    auto finished = run_program(options, Millis(20'000), 1 << 20, {}, true);
    return finished ? finished->output : finished.error().message();
}

// Catches: what only another implementation would notice: a signature, extension or encoding that
// is wrong, a leaf that does not chain, a name in the wrong form.
TEST_CASE("openssl verifies what the CA writes, for both kinds of key") {
    RealClock clock;
    auto dir = TempDir::create();
    REQUIRE(dir);
    CaRequest request;
    request.rsa_bits = 2048;  // quick
    auto ca = create_ca(request, clock.wall());
    REQUIRE(ca);
    std::string root = dir->path() + "/root.pem", leaf = dir->path() + "/leaf.pem";
    REQUIRE(write_file_atomic(root, ca->cert_pem));
    std::string shown = openssl({"x509", "-in", root, "-noout", "-text"});
    CHECK(shown.find("CA:TRUE, pathlen:1") != std::string::npos);
    CHECK(shown.find("Certificate Sign, CRL Sign") != std::string::npos);
    CHECK(shown.find("sha256WithRSAEncryption") != std::string::npos);
    for (KeyKind kind : {KeyKind::kRsa2048, KeyKind::kEcdsaP256}) {
        ServerCertRequest wanted;
        wanted.kind = kind;
        wanted.names = {"Boot.example.org", "192.0.2.7", "2001:db8::7", "localhost"};
        auto cert = issue_server_cert(*ca, wanted, clock.wall());
        REQUIRE(cert);
        REQUIRE(write_file_atomic(leaf, cert->cert_pem));
        CHECK(openssl({"verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname",
                       "boot.example.org", "-CAfile", root, leaf}) == leaf + ": OK\n");
        CHECK(openssl({"verify", "-x509_strict", "-verify_ip", "2001:db8::7", "-CAfile", root,
                       leaf}) == leaf + ": OK\n");
        std::string text = openssl({"x509", "-in", leaf, "-noout", "-text"});
        CHECK(text.find("DNS:boot.example.org, IP Address:192.0.2.7, IP "
                        "Address:2001:DB8:0:0:0:0:0:7, DNS:localhost") != std::string::npos);
        CHECK(text.find("TLS Web Server Authentication") != std::string::npos);
        CHECK(text.find("Authority Key Identifier") != std::string::npos);
        auto info = inspect_cert(cert->cert_pem).value();
        CHECK(info.names == std::vector<std::string>{"boot.example.org", "192.0.2.7", "2001:db8::7",
                                                     "localhost"});
        CHECK(!info.is_ca);
        CHECK(info.issuer == inspect_cert(ca->cert_pem)->subject);
        bool rsa = kind == KeyKind::kRsa2048;
        CHECK((rfc3339(info.not_before) == "2000-01-01T00:00:00Z") == rsa);
        CHECK(info.sha256_hex == sha256_hex(pem_to_der(cert->cert_pem).value()));
    }
}

// Catches: leaves that outlive their CA, names that would break the certificate, an alien key.
TEST_CASE("the CA refuses what it must not sign") {
    RealClock clock;
    auto ca = create_ca({"small", 10, 2048}, clock.wall()).value();
    auto other = create_ca({"other", 10, 2048}, clock.wall()).value();
    ServerCertRequest request;
    request.names = {"a.example"};
    auto leaf = issue_server_cert(ca, request, clock.wall()).value();
    CHECK(inspect_cert(leaf.cert_pem)->not_after <= inspect_cert(ca.cert_pem)->not_after);
    CHECK(!issue_server_cert(ca, request, clock.wall() + std::chrono::hours(24 * 11)));
    CHECK(!issue_server_cert({ca.cert_pem, other.key_pem}, request, clock.wall()));
    for (std::string bad : {"", "a b", "x,O=evil", "a..b", "-a", "ä"}) {
        request.names = {bad};
        CHECK(!issue_server_cert(ca, request, clock.wall()));
    }
    request.names = {};
    CHECK(!issue_server_cert(ca, request, clock.wall()));
    request.names = {std::string(60, 'n') + ".very.long.example"};  // above 64: the CN has no room
    CHECK(issue_server_cert(ca, request, clock.wall()));
    CHECK(!inspect_cert("garbage"));
    CHECK(!create_ca({"x", 0, 2048}, clock.wall()));
    CHECK(!create_ca({"x", 10, 512}, clock.wall()));
    CHECK(inspect_cert(ca.cert_pem)->is_ca);
}
