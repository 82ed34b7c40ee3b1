#include "net/http_server.h"

#include <malloc.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "net/http_server_state.h"

namespace planetbox {

static constexpr int kAcceptBatch = 64;
static constexpr int kBacklog = 4096;
static constexpr Millis kAcceptPause{100};

// --- HttpResponder ------------------------------------------------------------------------------

HttpResponder::HttpResponder(std::shared_ptr<Ticket> ticket) : ticket_(std::move(ticket)) {}
HttpResponder::HttpResponder(HttpResponder&&) noexcept = default;

HttpResponder& HttpResponder::operator=(HttpResponder&& other) noexcept {
    std::swap(ticket_, other.ticket_);  // what we held is answered when `other` goes
    return *this;
}

HttpResponder::~HttpResponder() {
    if (ticket_ && ticket_->connection)
        ticket_->connection->reply(HttpResponse::text(500, "500 Internal Server Error\n"));
}

void HttpResponder::reply(HttpResponse response) && {
    std::shared_ptr<Ticket> ticket = std::move(ticket_);
    if (ticket && ticket->connection) ticket->connection->reply(std::move(response));
}

bool HttpResponder::client_gone() const { return !ticket_ || !ticket_->connection; }

// --- accepting ----------------------------------------------------------------------------------

HttpServer::State::~State() {
    loop.cancel(sweep_timer_);
    loop.cancel(drain_timer);
    for (auto& listener : listeners)
        if (listener->watched) loop.unwatch(listener->fd.get());
}

void HttpServer::State::add_listener(UniqueFd fd, std::shared_ptr<TlsContext> tls) {
    auto listener = std::make_unique<Listener>();
    listener->fd = std::move(fd);
    listener->tls = std::move(tls);
    watch_listener(*listener);
    listeners.push_back(std::move(listener));
}

void HttpServer::State::watch_listener(Listener& listener) {
    Status watched = loop.watch(listener.fd.get(), EPOLLIN,
                                [this, &listener](uint32_t) { accept_batch(listener); });
    if (watched)
        listener.watched = true;
    else
        log_error("http", "cannot watch a listening socket",
                  {{"error", watched.error().message()}});
}

static Endpoint peer_of(const sockaddr_storage& address) {
    Endpoint peer;
    peer.address = IpAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&address));
    if (address.ss_family == AF_INET)
        peer.port = ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    else if (address.ss_family == AF_INET6)
        peer.port = ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    return peer;
}

void HttpServer::State::accept_batch(Listener& listener) {
    for (int i = 0; i < kAcceptBatch; ++i) {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        UniqueFd fd(accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&address), &size,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd.ok()) {
            admit(std::move(fd), peer_of(address), listener.tls);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            refuse("no_descriptors");
            pause_accepting(listener);
            return;
        }
        // ECONNABORTED and the errors of a network that accept(2) passes on concern one connection.
        if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    }
}

// The waiting connections stay in the backlog; without this the loop would spin on the listener.
void HttpServer::State::pause_accepting(Listener& listener) {
    loop.unwatch(listener.fd.get());
    listener.watched = false;
    loop.after(kAcceptPause, [weak = weak_from_this(), &listener] {
        auto self = weak.lock();
        if (!self) return;
        for (auto& each : self->listeners)
            if (each.get() == &listener && !each->watched) self->watch_listener(listener);
    });
}

void HttpServer::State::admit(UniqueFd fd, const Endpoint& peer,
                              const std::shared_ptr<TlsContext>& tls) {
    ++stats.connections_total;
    const char* reason = nullptr;
    if (connections.size() >= limits.max_connections) {
        reason = "too_many_connections";
    } else if (limits.max_connections_per_peer) {
        auto found = per_peer.find(peer.address);
        if (found != per_peer.end() && found->second >= limits.max_connections_per_peer)
            reason = "too_many_per_peer";
    }
    if (reason) {
        refuse(reason);
        static constexpr std::string_view kBusy =
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n"
            "Connection: close\r\n\r\n";
        if (!tls) {
            [[maybe_unused]] ssize_t sent =
                ::send(fd.get(), kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            shutdown(fd.get(), SHUT_WR);
        }
        return;
    }
    int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto connection = std::make_unique<HttpConnection>(*this, std::move(fd), peer, tls);
    if (!connection->start()) return refuse("no_memory");
    if (limits.max_connections_per_peer) ++per_peer[peer.address];
    connection->index = connections.size();
    connections.push_back(std::move(connection));
    stats.connections_open = connections.size();
    schedule_sweep();
}

// --- the life of connections --------------------------------------------------------------------

void HttpServer::State::retire(HttpConnection* connection) {
    size_t index = connection->index;
    CHECK(index < connections.size() && connections[index].get() == connection);
    retired_.push_back(std::move(connections[index]));
    if (index + 1 != connections.size()) {
        connections[index] = std::move(connections.back());
        connections[index]->index = index;
    }
    connections.pop_back();
    stats.connections_open = connections.size();
    if (limits.max_connections_per_peer) {
        auto found = per_peer.find(connection->peer());
        if (found != per_peer.end() && --found->second == 0) per_peer.erase(found);
    }
    schedule_after_turn();
}

void HttpServer::State::resume_later(HttpConnection* connection) {
    if (connection->resume_queued) return;
    connection->resume_queued = true;
    resuming_.push_back(connection);
    schedule_after_turn();
}

void HttpServer::State::schedule_after_turn() {
    if (after_turn_scheduled_) return;
    after_turn_scheduled_ = true;
    loop.at_end_of_turn([weak = weak_from_this()] {
        if (auto self = weak.lock()) self->after_turn();
    });
}

void HttpServer::State::after_turn() {
    after_turn_scheduled_ = false;
    std::vector<HttpConnection*> batch;
    batch.swap(resuming_);
    for (HttpConnection* connection : batch) {
        connection->resume_queued = false;
        connection->resume();
    }
    // Only what no batch can name any more is freed.
    if (resuming_.empty()) retired_.clear();
    if (draining && connections.empty() && drained) {
        loop.cancel(drain_timer);
        std::exchange(drained, nullptr)();
    }
}

void HttpServer::State::schedule_sweep() {
    if (sweep_timer_) return;
    Millis shortest = std::min({limits.handshake_timeout, limits.head_timeout, limits.idle_timeout,
                                limits.body_stall_timeout});
    sweep_timer_ =
        loop.after(std::clamp<Millis>(shortest / 8, Millis(10), Millis(1000)), [this] { sweep(); });
}

// One pass over all connections costs less than a timer for each request would.
void HttpServer::State::sweep() {
    sweep_timer_ = 0;
    MonoTime now = loop.clock().mono();
    for (size_t i = connections.size(); i-- > 0;)
        if (i < connections.size()) connections[i]->check_deadline(now);
    give_memory_back();
    if (!connections.empty()) schedule_sweep();
}

// After a storm the allocator would keep what a thousand TLS connections needed (60 MB).
void HttpServer::State::give_memory_back() {
    peak_ = std::max(peak_, connections.size());
    if (peak_ < 128 || connections.size() > peak_ / 4) return;
    peak_ = connections.size();
    malloc_trim(0);
}

std::string_view HttpServer::State::date() {
    WallTime now = loop.clock().wall();
    if (int64_t second = unix_seconds(now); second != date_second_) {
        date_second_ = second;
        date_ = http_date(now);
    }
    return date_;
}

// --- HttpServer ---------------------------------------------------------------------------------

HttpServer::HttpServer(Loop& loop, HttpLimits limits, Handler handler)
    : state_(std::make_shared<State>(loop, limits, std::move(handler))) {}

HttpServer::~HttpServer() { state_->connections.clear(); }

void HttpServer::set_body_limit(BodyLimit limit) { state_->body_limit = std::move(limit); }
void HttpServer::set_observer(Observer observer) { state_->observer = std::move(observer); }
const HttpServer::Stats& HttpServer::stats() const { return state_->stats; }

Result<uint16_t> HttpServer::listen(const Endpoint& endpoint, std::shared_ptr<TlsContext> tls,
                                    bool reuse_port) {
    UniqueFd fd = TRY(listen_tcp(endpoint, kBacklog, reuse_port));
    uint16_t port = local_port(fd.get());
    state_->add_listener(std::move(fd), std::move(tls));
    return port;
}

void HttpServer::adopt_listener(UniqueFd listener, std::shared_ptr<TlsContext> tls) {
    state_->add_listener(std::move(listener), std::move(tls));
}

void HttpServer::replace_tls(std::shared_ptr<TlsContext> tls) {
    for (auto& listener : state_->listeners)
        if (listener->tls) listener->tls = tls;
}

void HttpServer::drain(Millis limit, std::function<void()> done) {
    State& state = *state_;
    state.draining = true;
    for (auto& listener : state.listeners)
        if (listener->watched) state.loop.unwatch(listener->fd.get());
    state.listeners.clear();
    for (size_t i = state.connections.size(); i-- > 0;)
        if (i < state.connections.size()) state.connections[i]->close_if_idle();
    state.drained = std::move(done);
    auto finish = [weak = std::weak_ptr<State>(state_)] {
        auto self = weak.lock();
        if (!self) return;
        while (!self->connections.empty()) self->connections.back()->abort();
        if (self->drained) std::exchange(self->drained, nullptr)();
    };
    state.drain_timer =
        state.loop.after(state.connections.empty() ? Millis(0) : limit, std::move(finish));
}

}  // namespace planetbox
