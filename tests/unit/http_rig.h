// A server on loopback and clients to poke it with, in one process: the loop turns while a client
// waits.  Used by the tests of net/.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "crypto/ca.h"
#include "net/http_server.h"
#include "sys/files.h"
#include "sys/process.h"

namespace planetbox {

// One CA and its two server certificates, made once a process.
struct TestTrust {
    CertAndKey ca, rsa, ecdsa;
    static const TestTrust& get() {
        static const TestTrust* trust = [] {
            RealClock clock;
            auto* made = new TestTrust;
            made->ca = create_ca({"test root", 100, 2048}, clock.wall()).value();
            ServerCertRequest request;
            request.names = {"localhost", "127.0.0.1"};
            request.kind = KeyKind::kRsa2048;
            made->rsa = issue_server_cert(made->ca, request, clock.wall()).value();
            request.kind = KeyKind::kEcdsaP256;
            made->ecdsa = issue_server_cert(made->ca, request, clock.wall()).value();
            made->rsa.cert_pem += made->ca.cert_pem;
            made->ecdsa.cert_pem += made->ca.cert_pem;
            return made;
        }();
        return *trust;
    }
    TlsServerConfig config() const {
        TlsServerConfig out;
        out.certs = {ecdsa, rsa};
        return out;
    }
};

class HttpRig {
public:
    explicit HttpRig(HttpServer::Handler handler, HttpLimits limits = {}, bool tls = false,
                     TlsServerConfig config = TestTrust::get().config())
        : loop(Loop::create(clock).value()),
          server(std::make_unique<HttpServer>(*loop, limits, std::move(handler))) {
        if (tls) context = TlsContext::create(config).value();
        port = server->listen({IpAddress::parse("127.0.0.1").value(), 0}, context).value();
    }

    // Turns the loop until `done` or five seconds are over; false in the second case.
    template <typename Done>
    bool until(Done done, Millis limit = Millis(5000)) {
        MonoTime end = clock.mono() + limit;
        while (!done()) {
            if (clock.mono() > end) return false;
            if (!loop->turn(Millis(5))) return false;
        }
        return true;
    }

    UniqueFd connect() const {
        UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
            fd.reset();
        if (fd.ok()) fcntl(fd.get(), F_SETFL, O_NONBLOCK);
        return fd;
    }

    // Sends (as the socket takes it) and reads until `enough` is in the answer or the server
    // closes.
    std::string talk(int fd, std::string_view data, std::string_view enough = "<never>",
                     bool* closed = nullptr) {
        std::string answer;
        size_t sent = 0;
        bool ended = false;
        until([&] {
            if (sent < data.size()) {
                ssize_t n = ::send(fd, data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
                if (n > 0) sent += static_cast<size_t>(n);
            }
            char buffer[65536];
            ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
            if (n > 0) answer.append(buffer, static_cast<size_t>(n));
            ended = n == 0 || (n < 0 && errno != EAGAIN);
            return ended || answer.find(enough) != std::string::npos;
        });
        if (closed) *closed = ended;
        return answer;
    }
    std::string once(std::string_view data, std::string_view enough = "<never>") {
        UniqueFd fd = connect();
        return talk(fd.get(), data, enough);
    }

    // Runs another program while the loop turns; its output, with stderr.
    std::string run(std::vector<std::string> argv, const std::string& input = "",
                    int* status = nullptr) {
        int out[2], in[2];
        if (pipe2(out, O_CLOEXEC) < 0 || pipe2(in, O_CLOEXEC) < 0) return "pipe";
        UniqueFd out_read(out[0]), out_write(out[1]), in_read(in[0]), in_write(in[1]);
        SpawnOptions options;
        options.argv = std::move(argv);
        options.stdin_fd = in_read.get();
        options.stdout_fd = out_write.get();
        options.stderr_fd = out_write.get();
        auto pid = spawn(options);
        if (!pid) return pid.error().message();
        out_write.reset();
        in_read.reset();
        if (::write(in_write.get(), input.data(), input.size()) < 0) return "write";
        in_write.reset();
        bool ended = false;
        int wait_status = -1;
        (void)loop->on_child(*pid, [&](int s) {
            ended = true;
            wait_status = s;
        });
        fcntl(out_read.get(), F_SETFL, O_NONBLOCK);
        std::string output;
        auto drain = [&] {
            char buffer[65536];
            ssize_t n;
            while ((n = ::read(out_read.get(), buffer, sizeof buffer)) > 0)
                output.append(buffer, static_cast<size_t>(n));
        };
        if (!until(
                [&] {
                    drain();
                    return ended;
                },
                Millis(20'000)))
            ::kill(*pid, 9);
        until([&] { return ended; });
        drain();
        if (status) *status = wait_status;
        return output;
    }

    RealClock clock;
    std::unique_ptr<Loop> loop;
    std::shared_ptr<TlsContext> context;
    std::unique_ptr<HttpServer> server;
    uint16_t port = 0;
};

}  // namespace planetbox
