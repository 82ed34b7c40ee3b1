// The HTTP/1.1 server: one reactor, TLS or plain, keep-alive, deadlines and limits on everything.
//
// A connection is a state machine: handshake → reading head → reading body → handling → writing →
// (keep-alive) reading head.  llhttp parses; what it lets through and we do not want is refused
// here: Transfer-Encoding in requests, two Content-Length, NUL, ".." in paths, absolute-form to
// other hosts, CONNECT, obs-fold (http_parser.h); an Upgrade is ignored. Pipelined requests are
// answered in order, one at a time.
//
// Handlers may answer later: the Responder is a handle that outlives the call; answering after the
// client has gone is a no-op.  A Responder dropped without an answer sends 500.  To HEAD, and with
// 204 and 304, the server leaves the body away: handlers need not care.  Handlers never see a
// request over a limit: 431 (head), 413 (body), 408 (slow), 503 with Retry-After (too many
// connections).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "event/loop.h"
#include "net/http_message.h"
#include "net/tls.h"

namespace planetbox {

struct HttpLimits {
    size_t max_head = 16 * 1024;
    size_t max_body = 1024 * 1024;        // a route may ask for less or more by `body_limit`
    size_t max_connections = 4096;        // above: 503 and close (before TLS: close)
    size_t max_connections_per_peer = 0;  // 0 = no limit
    Millis handshake_timeout{20'000};     // stock iPXE under emulation needs seconds
    Millis head_timeout{30'000};          // from the first byte of a request
    Millis idle_timeout{75'000};          // keep-alive between requests
    Millis body_stall_timeout{60'000};  // less than 4 KiB of body read or answer taken for so long
};

class HttpConnection;

// The right and the duty to answer one request.
class HttpResponder {
public:
    HttpResponder(HttpResponder&&) noexcept;
    HttpResponder& operator=(HttpResponder&&) noexcept;
    ~HttpResponder();
    void reply(HttpResponse response) &&;
    bool client_gone() const;

private:
    friend class HttpServer;
    friend class HttpConnection;
    struct Ticket;
    explicit HttpResponder(std::shared_ptr<Ticket> ticket);
    std::shared_ptr<Ticket> ticket_;
};

// What an access log or metrics hook learns of each finished request.
struct HttpExchange {
    const HttpRequest& request;
    int status = 0;
    uint64_t bytes_sent = 0;
    Millis duration{0};
    bool completed = false;  // false: the client went away before the end
};

class HttpServer {
public:
    using Handler = std::function<void(HttpRequest&&, HttpResponder)>;
    using BodyLimit = std::function<size_t(const HttpRequest& head)>;
    using Observer = std::function<void(const HttpExchange&)>;

    HttpServer(Loop& loop, HttpLimits limits, Handler handler);
    ~HttpServer();  // closes every connection

    void set_body_limit(BodyLimit limit);
    void set_observer(Observer observer);
    // Listens; tls == nullptr means plain HTTP.  Several listeners may share a server.
    // The returned port is the real one when endpoint.port is 0.
    Result<uint16_t> listen(const Endpoint& endpoint, std::shared_ptr<TlsContext> tls,
                            bool reuse_port = false);
    void adopt_listener(UniqueFd listener, std::shared_ptr<TlsContext> tls);
    // New connections use this from now on (certificate renewal).
    void replace_tls(std::shared_ptr<TlsContext> tls);
    // Stops accepting (the listening sockets are closed), closes idle connections, lets requests in
    // progress finish; `done` runs when all are gone or at `limit`.
    void drain(Millis limit, std::function<void()> done);

    struct Stats {
        uint64_t connections_total = 0;
        uint64_t connections_open = 0;
        uint64_t handshakes_total = 0;  // completed
        uint64_t handshake_failures = 0;
        uint64_t requests_total = 0;
        std::map<std::string, uint64_t> refused;  // by reason: "head_too_large", "bad_request", …
    };
    const Stats& stats() const;

private:
    friend class HttpConnection;
    struct State;                   // http_server_state.h
    std::shared_ptr<State> state_;  // shared with callbacks that the loop still holds
};

}  // namespace planetbox
