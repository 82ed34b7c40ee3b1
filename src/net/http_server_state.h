// What an HttpServer and its connections share.  Internal to net/http_server.cc and
// net/http_connection.cc.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/http_connection.h"
#include "net/http_server.h"

namespace planetbox {

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
    struct Listener {
        UniqueFd fd;
        std::shared_ptr<TlsContext> tls;  // nullptr: plain HTTP
        bool watched = false;
    };

    Loop& loop;
    const HttpLimits limits;
    Handler handler;
    BodyLimit body_limit;
    Observer observer;
    Stats stats;
    bool draining = false;
    std::function<void()> drained;
    Loop::TimerId drain_timer = 0;

    std::vector<std::unique_ptr<Listener>> listeners;
    std::vector<std::unique_ptr<HttpConnection>> connections;  // each knows its index
    std::map<IpAddress, size_t> per_peer;                      // only with max_connections_per_peer
    // For reading and for file blocks.  Holds nothing between two calls into it: a handler may make
    // another connection use it.
    std::string buffer = std::string(64 * 1024, '\0');

    State(Loop& owner, HttpLimits bounds, Handler handle)
        : loop(owner), limits(bounds), handler(std::move(handle)) {}
    ~State();

    void refuse(std::string_view reason) { ++stats.refused[std::string(reason)]; }
    std::string_view date();  // "Sat, 21 Nov 2026 10:12:30 GMT", made once a second

    void add_listener(UniqueFd fd, std::shared_ptr<TlsContext> tls);
    void watch_listener(Listener& listener);
    void accept_batch(Listener& listener);
    void pause_accepting(Listener& listener);
    void admit(UniqueFd fd, const Endpoint& peer, const std::shared_ptr<TlsContext>& tls);
    // Takes the connection out of the list; it is freed after the turn.
    void retire(HttpConnection* connection);
    // Calls connection->resume() after every other ready connection had its turn.
    void resume_later(HttpConnection* connection);

private:
    void schedule_after_turn();
    void after_turn();
    void schedule_sweep();
    void sweep();
    void give_memory_back();

    std::vector<HttpConnection*> resuming_;
    std::vector<std::unique_ptr<HttpConnection>> retired_;
    bool after_turn_scheduled_ = false;
    Loop::TimerId sweep_timer_ = 0;
    size_t peak_ = 0;  // connections at once, since memory was last given back
    int64_t date_second_ = -1;
    std::string date_;
};

}  // namespace planetbox
