// The HTTP client against nginx: ranges, keep-alive and what another server makes of our requests.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.h"
#include "net/address.h"
#include "net/http_client.h"
#include "sys/files.h"
#include "sys/process.h"

using namespace planetbox;

namespace {

// nginx from the PATH or from build-deps/, which lies beside the build directory.
std::string find_nginx() {
    char exe[4096];
    ssize_t length = ::readlink("/proc/self/exe", exe, sizeof exe);
    std::string root = dir_name(dir_name(std::string_view(exe, static_cast<size_t>(length))));
    for (const std::string& path :
         {root + "/build-deps/peers/usr/sbin/nginx", std::string("/usr/sbin/nginx")})
        if (::access(path.c_str(), X_OK) == 0) return path;
    return "";
}

class Nginx {
public:
    explicit Nginx(const std::string& program) {
        UniqueFd probe = std::move(listen_tcp({*IpAddress::parse("127.0.0.1"), 0}, 1).value());
        port = local_port(probe.get());
        probe.reset();
        std::string config = strf(
            "daemon off; master_process off; pid %s/pid; error_log %s/error.log;\n"
            "events {}\n"
            "http { access_log off; client_body_temp_path %s; proxy_temp_path %s;\n"
            "  fastcgi_temp_path %s; uwsgi_temp_path %s; scgi_temp_path %s;\n"
            "  server { listen 127.0.0.1:%d; root %s; location /moved { return 302 /file; } } }\n",
            dir(), dir(), dir(), dir(), dir(), dir(), dir(), port, dir());
        REQUIRE(write_file_atomic(std::string(dir()) + "/conf", config).has_value());
        SpawnOptions options;
        options.argv = {program,
                        "-p",
                        dir(),
                        "-c",
                        std::string(dir()) + "/conf",
                        "-e",
                        std::string(dir()) + "/error.log"};
        options.die_with_parent = true;
        auto started = spawn(options);
        REQUIRE(started);
        pid_ = *started;
    }
    ~Nginx() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    const char* dir() const { return dir_.path().c_str(); }
    std::string url(std::string_view path) const {
        return strf("http://127.0.0.1:%d", port) + std::string(path);
    }
    // Waits until it answers.
    void wait() const {
        RealClock clock;
        MonoTime deadline = clock.mono() + Seconds(20);
        HttpClientRequest request{.url = url("/")};
        while (!http_fetch({.allow_http = true}, request)) {
            REQUIRE(clock.mono() < deadline);
            ::usleep(20'000);
        }
    }
    uint16_t port = 0;

private:
    TempDir dir_ = std::move(TempDir::create().value());
    pid_t pid_ = -1;
};

}  // namespace

// Catches: a resumed image that is not the image, against a server that is not ours.
TEST_CASE("a download that broke off goes on where it stopped") {
    std::string program = find_nginx();
    if (program.empty()) {
        MESSAGE("nginx is not here: not tried");
        return;
    }
    Nginx nginx(program);
    std::string file;
    for (uint32_t i = 0; file.size() < 3'000'000; ++i) file += std::to_string(i * 2654435761u);
    REQUIRE(write_file_atomic(std::string(nginx.dir()) + "/file", file).has_value());
    nginx.wait();

    std::string got;
    size_t stop_at = 1'000'000;
    uint64_t done = 0, total = 0;
    HttpClientRequest request{.url = nginx.url("/moved")};
    request.sink = [&](std::string_view data) -> Status {
        got += data;
        if (got.size() > stop_at) return fail(Code::kIo, "cable pulled");
        return {};
    };
    request.progress = [&](uint64_t d, uint64_t t) {
        done = d;
        total = t;
    };
    auto broken = http_fetch({.allow_http = true}, request);
    REQUIRE(!broken);
    CHECK(broken.error().message().find("cable pulled") != std::string::npos);
    REQUIRE(got.size() < file.size());
    stop_at = file.size();
    request.resume_from = got.size();
    auto rest = http_fetch({.allow_http = true}, request);
    if (!rest) FAIL(rest.error().message());
    CHECK(rest->status == 206);
    CHECK((got == file));
    CHECK(done == file.size());
    CHECK(total == file.size());

    request.resume_from = file.size();  // there is nothing left
    auto beyond = http_fetch({.allow_http = true}, request);
    REQUIRE(beyond);
    CHECK(beyond->status == 416);
    CHECK((got == file));

    HttpClientRequest head{.method = "HEAD", .url = nginx.url("/file"), .max_body = 10};
    auto size = http_fetch({.allow_http = true}, head);
    REQUIRE(size);
    CHECK(size->headers.get("Content-Length") == std::to_string(file.size()));
    CHECK(size->body.empty());
    CHECK(parse_http_date(size->server_date).has_value());
}
