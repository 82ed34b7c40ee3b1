// The HTTP client's trust, against openssl s_server and certificates made by openssl(1).
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.h"
#include "net/http_client.h"
#include "sys/files.h"
#include "sys/process.h"

using namespace planetbox;

namespace {

// A shell script that makes a root, another root, and leaf certificates into the current directory.
// `openssl ca` because it is what can set both dates.
constexpr const char* kMakeZoo = R"sh(
set -e
cat > ca.cnf <<'END'
[ca]
default_ca = d
[d]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
END
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null; }
root() {
    key "$1"
    openssl req -x509 -new -key "$1.key" -subj "/CN=$2" -days 3650 -out "$1.crt" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}
leaf() {  # NAME ROOT SUBJECT_ALT_NAME START END [KEY_USAGE]
    key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$1" -addext "subjectAltName=$3" \
        -addext "extendedKeyUsage=${6:-serverAuth}" -out "$1.csr"
    : > index.txt; echo 01 > serial
    openssl ca -batch -notext -config ca.cnf -cert "$2.crt" -keyfile "$2.key" -in "$1.csr" \
        -out "$1.crt" -startdate "$4" -enddate "$5" 2>/dev/null
    cat "$1.crt" "$2.crt" > "$1.chain"
}
root ours 'Fleet root'
root theirs 'Somebody else'
leaf good ours 'DNS:localhost,IP:127.0.0.1,IP:::1' 20200101000000Z 20700101000000Z
leaf foreign theirs 'DNS:localhost,IP:127.0.0.1' 20200101000000Z 20700101000000Z
leaf expired ours 'IP:127.0.0.1' 20200101000000Z 20200202000000Z
leaf future ours 'IP:127.0.0.1' 20600101000000Z 20700101000000Z
leaf wrong ours 'DNS:boot.example.org,IP:192.0.2.1' 20200101000000Z 20700101000000Z
leaf client ours 'DNS:client' 20200101000000Z 20700101000000Z clientAuth
leaf expired_foreign theirs 'IP:127.0.0.1' 20200101000000Z 20200202000000Z
)sh";

Finished shell(const std::string& dir, const char* script) {
    SpawnOptions options;
    options.argv = {"bash", "-c", script};
    options.cwd = dir;
    auto done = run_program(options, Millis(60'000), 1 << 20, {}, true);
    if (!done) FAIL(done.error().message());
    CAPTURE(done->output);
    REQUIRE(done->ok());
    return std::move(*done);
}

// One zoo for all cases: it takes a second to make.
const std::string& zoo() {
    static TempDir* dir = [] {
        auto* made = new TempDir(std::move(TempDir::create().value()));
        shell(made->path(), kMakeZoo);
        return made;
    }();
    static struct Remover {
        ~Remover() { delete dir; }
    } remover;
    return dir->path();
}

std::string pem(const std::string& name) { return read_file(zoo() + "/" + name, 1 << 20).value(); }

// openssl s_server with one certificate, on a port of the kernel's choice; gone with this object.
class OpensslServer {
public:
    explicit OpensslServer(const std::string& name, std::vector<std::string> extra = {},
                           const std::string& address = "127.0.0.1:0") {
        int fds[2];
        REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
        out_.reset(fds[0]);
        UniqueFd writer(fds[1]);
        SpawnOptions options;
        options.argv = {"openssl",     "s_server",      "-accept", address,
                        "-cert",       name + ".crt",   "-key",    name + ".key",
                        "-cert_chain", name + ".chain", "-www"};
        options.argv.insert(options.argv.end(), extra.begin(), extra.end());
        options.cwd = zoo();
        options.stdout_fd = options.stderr_fd = writer.get();
        options.die_with_parent = true;
        auto pid = spawn(options);
        REQUIRE(pid);
        pid_ = *pid;
        writer.reset();
        // "ACCEPT 127.0.0.1:40123"
        std::string text;
        for (;;) {
            pollfd wait{out_.get(), POLLIN, 0};
            REQUIRE(::poll(&wait, 1, 20'000) == 1);
            char buffer[4096];
            ssize_t count = ::read(out_.get(), buffer, sizeof buffer);
            CAPTURE(text);
            REQUIRE(count > 0);
            text.append(buffer, static_cast<size_t>(count));
            size_t at = text.find("ACCEPT ");
            size_t end = at == std::string::npos ? at : text.find('\n', at);
            if (end == std::string::npos) continue;
            std::string where = text.substr(at, end - at);
            port = where.substr(where.rfind(':') + 1);
            return;
        }
    }
    ~OpensslServer() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    std::string port;

private:
    pid_t pid_ = -1;
    UniqueFd out_;
};

Result<HttpClientResponse> get(const std::string& url, HttpClientOptions options) {
    HttpClientRequest request;
    request.url = url;
    request.connect_timeout = Millis(10'000);
    request.total_timeout = Millis(20'000);
    return http_fetch(options, std::move(request));
}

HttpClientOptions trusting(const std::string& root) {
    HttpClientOptions options;
    options.ca_pem = pem(root + ".crt");
    return options;
}

Error refusal(const std::string& url, const HttpClientOptions& options) {
    auto answer = get(url, options);
    REQUIRE(!answer);
    CHECK(answer.error().code() == Code::kDenied);
    return answer.error();
}

bool says(const Error& error, std::string_view words) {
    CAPTURE(error.message());
    return error.message().find(words) != std::string::npos;
}

}  // namespace

// Catches: IP literals (a node's central often has no name) and names that are refused though
// certified.
TEST_CASE("a certificate of our CA is good for its names and addresses") {
    OpensslServer server("good");
    auto answer = get("https://127.0.0.1:" + server.port + "/", trusting("ours"));
    if (!answer) FAIL(answer.error().message());
    CHECK(answer->status == 200);
    auto by_name = get("https://localhost:" + server.port + "/", trusting("ours"));
    if (!by_name) FAIL(by_name.error().message());
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        OpensslServer one("good", {version});
        auto over = get("https://127.0.0.1:" + one.port + "/", trusting("ours"));
        if (!over) FAIL(over.error().message());
    }
}

TEST_CASE("an IPv6 literal is matched with the certificate's address") {
    if (!file_exists("/proc/net/if_inet6") ||
        read_file("/proc/net/if_inet6", 1 << 20).value().find(" lo") == std::string::npos) {
        MESSAGE("no IPv6 here: not tried");
        return;
    }
    OpensslServer server("good", {}, "[::1]:0");
    auto answer = get("https://[::1]:" + server.port + "/", trusting("ours"));
    if (!answer) FAIL(answer.error().message());
    OpensslServer wrong("wrong", {}, "[::1]:0");
    CHECK(says(refusal("https://[::1]:" + wrong.port + "/", trusting("ours")), "not for ::1"));
}

TEST_CASE("a certificate of another CA is refused, with what it says of itself") {
    OpensslServer server("foreign");
    std::string url = "https://127.0.0.1:" + server.port + "/";
    Error error = refusal(url, trusting("ours"));
    CHECK(http_failure(error) == HttpFailure::kUntrusted);
    CHECK(says(error, "not from our CA"));
    CHECK(says(error, "CN=Somebody else"));
    CHECK(says(error, "https://127.0.0.1:"));
    CHECK(get(url, trusting("theirs")).has_value());
    HttpClientOptions broken;
    broken.ca_pem = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
    auto answer = get(url, broken);
    REQUIRE(!answer);
    CHECK(answer.error().code() == Code::kInvalid);
    CHECK(says(answer.error(), "must be PEM"));
}

// Catches: an operator told "certificate problem" when the clock is what is wrong.
TEST_CASE("dates are told apart, with the dates and the clock") {
    {
        OpensslServer server("expired");
        Error error = refusal("https://127.0.0.1:" + server.port + "/", trusting("ours"));
        CHECK(http_failure(error) == HttpFailure::kDates);
        CHECK(says(error, "expired at 2020-02-02T00:00:00Z"));
        CHECK(says(error, "clock says 20"));
    }
    OpensslServer server("future");
    Error error = refusal("https://127.0.0.1:" + server.port + "/", trusting("ours"));
    CHECK(http_failure(error) == HttpFailure::kDates);
    CHECK(says(error, "not valid before 2060-01-01T00:00:00Z"));
}

TEST_CASE("a certificate for another name is refused, with its names") {
    OpensslServer server("wrong");
    Error error = refusal("https://127.0.0.1:" + server.port + "/", trusting("ours"));
    CHECK(http_failure(error) == HttpFailure::kUntrusted);
    CHECK(says(error, "is for boot.example.org, 192.0.2.1, not for 127.0.0.1"));
}

// Catches: a check_dates=false that forgives more than dates.
TEST_CASE("without a clock dates are forgiven, and nothing else") {
    auto no_clock = [](HttpClientOptions options) {
        options.check_dates = false;
        return options;
    };
    for (const char* name : {"expired", "future"}) {
        OpensslServer server(name);
        auto answer = get("https://127.0.0.1:" + server.port + "/", no_clock(trusting("ours")));
        if (!answer) FAIL(answer.error().message());
        CHECK(answer->status == 200);
    }
    OpensslServer foreign("expired_foreign");
    CHECK(says(refusal("https://127.0.0.1:" + foreign.port + "/", no_clock(trusting("ours"))),
               "not from our CA"));
    OpensslServer wrong("wrong");
    CHECK(says(refusal("https://127.0.0.1:" + wrong.port + "/", no_clock(trusting("ours"))),
               "not for 127.0.0.1"));
}

TEST_CASE("a certificate that is not for servers, and ciphers without forward secrecy") {
    OpensslServer server("client");
    auto answer = get("https://localhost:" + server.port + "/", trusting("ours"));
    REQUIRE(!answer);
    CHECK((answer.error().code() == Code::kDenied || answer.error().code() == Code::kProtocol));
    OpensslServer old("good", {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"});
    auto refused = get("https://127.0.0.1:" + old.port + "/", trusting("ours"));
    REQUIRE(!refused);
    CHECK(http_failure(refused.error()) == HttpFailure::kTls);
    CHECK(says(refused.error(), "TLS handshake failed"));
}

TEST_CASE("a client certificate is shown where one is asked for") {
    OpensslServer server("good", {"-Verify", "2", "-CAfile", "ours.crt", "-verify_return_error"});
    HttpClientOptions options = trusting("ours");
    std::string url = "https://127.0.0.1:" + server.port + "/";
    CHECK(!get(url, options));
    options.client_cert_pem = pem("client.crt");
    options.client_key_pem = pem("client.key");
    auto answer = get(url, options);
    if (!answer) FAIL(answer.error().message());
    CHECK(answer->body.find("client") != std::string::npos);
}

// Catches: https silently left by a redirect.
TEST_CASE("a redirect from https to http is refused") {
    REQUIRE(write_file_atomic(
                zoo() + "/away",
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
                .has_value());
    OpensslServer server("good", {"-HTTP"});
    HttpClientOptions options = trusting("ours");
    options.allow_http = true;
    auto answer = get("https://127.0.0.1:" + server.port + "/away", options);
    REQUIRE(!answer);
    CHECK(says(answer.error(), "redirected away from https"));
}

TEST_CASE("a plain server behind https is told as a failed handshake") {
    OpensslServer server("good");
    HttpClientOptions options;
    options.allow_http = true;
    auto plain = get("http://127.0.0.1:" + server.port + "/", options);
    REQUIRE(!plain);
    CHECK((plain.error().code() == Code::kProtocol || plain.error().code() == Code::kUnavailable));
}
