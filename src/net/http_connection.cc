#include "net/http_connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/strings.h"
#include "net/http_response_head.h"
#include "net/http_server_state.h"

namespace planetbox {

static constexpr int kStepsPerTurn = 32;         // pipelined requests, handshake rounds, …
static constexpr size_t kSmallBody = 32 * 1024;  // copied behind the head: one write
static constexpr size_t kProgress = 4096;        // what counts as being alive
static constexpr Millis kLingerTime{2000};

HttpConnection::HttpConnection(HttpServer::State& server, UniqueFd fd, const Endpoint& peer,
                               std::shared_ptr<TlsContext> tls)
    : server_(server),
      fd_(std::move(fd)),
      peer_(peer),
      tls_context_(std::move(tls)),
      parser_(server.limits.max_head,
              [this](const HttpRequest& head) {
                  return server_.body_limit ? server_.body_limit(head) : server_.limits.max_body;
              }),
      phase_(tls_context_ ? Phase::kHandshake : Phase::kReading) {}

HttpConnection::~HttpConnection() {
    if (ticket_) ticket_->connection = nullptr;
    if (interest_ || phase_ != Phase::kGone) server_.loop.unwatch(fd_.get());
}

Status HttpConnection::start() {
    if (tls_context_) tls_ = TRY(tls_context_->accept(fd_.get()));
    const HttpLimits& limits = server_.limits;
    deadline_ =
        server_.loop.clock().mono() +
        (tls_ ? limits.handshake_timeout : std::min(limits.head_timeout, limits.idle_timeout));
    interest_ = EPOLLIN;
    return server_.loop.watch(fd_.get(), EPOLLIN, [this](uint32_t events) { on_ready(events); });
}

void HttpConnection::want(uint32_t events) {
    if (phase_ == Phase::kGone || events == interest_) return;
    interest_ = events;
    if (!server_.loop.modify(fd_.get(), events)) gone(false);
}

// --- the machine --------------------------------------------------------------------------------

void HttpConnection::on_ready(uint32_t events) {
    if (phase_ == Phase::kHandling) {
        // Something arrived, or the client left, while the handler works.  A client that only shut
        // down its side (EPOLLIN alone) still gets its answer.
        if (events & (EPOLLERR | EPOLLHUP)) return gone(false);
        return want(0);
    }
    run();
}

void HttpConnection::resume() {
    if (phase_ != Phase::kGone && phase_ != Phase::kHandling) run();
}

void HttpConnection::run() {
    for (int i = 0; i < kStepsPerTurn; ++i)
        if (step() == Step::kWait) return;
    server_.resume_later(this);
}

HttpConnection::Step HttpConnection::step() {
    switch (phase_) {
        case Phase::kHandshake:
            return step_handshake();
        case Phase::kReading:
            return step_reading();
        case Phase::kWriting:
            return step_writing();
        case Phase::kLingering:
            return step_lingering();
        case Phase::kHandling:
        case Phase::kGone:
            break;
    }
    return Step::kWait;
}

HttpConnection::Step HttpConnection::step_handshake() {
    auto result = tls_->handshake();
    if (!result) return handshake_failed();
    if (*result != TlsWant::kDone) {
        want(*result == TlsWant::kWrite ? EPOLLOUT : EPOLLIN);
        return Step::kWait;
    }
    ++server_.stats.handshakes_total;
    phase_ = Phase::kReading;
    const HttpLimits& limits = server_.limits;
    deadline_ = server_.loop.clock().mono() + std::min(limits.head_timeout, limits.idle_timeout);
    if (tls_->has_buffered_input()) return Step::kMore;
    want(EPOLLIN);
    return Step::kWait;
}

static bool looks_like_http(std::string_view text) {
    size_t space = text.find(' ');
    return space != std::string_view::npos && space >= 3 && space + 1 < text.size() &&
           text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == space;
}

HttpConnection::Step HttpConnection::handshake_failed() {
    ++server_.stats.handshake_failures;
    tls_context_->count_failure(tls_->failure_reason());
    bool http = looks_like_http(tls_->plain_text());
    tls_.reset();
    if (!http) {
        gone(false);
        return Step::kWait;
    }
    // Somebody typed http:// where https:// was meant: tell them, in what they speak.
    static constexpr std::string_view kAnswer =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Connection: close\r\n\r\nThis port speaks HTTPS: write https:// instead of http://\n";
    [[maybe_unused]] ssize_t sent =
        ::send(fd_.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    start_lingering();
    return Step::kMore;
}

// --- reading ------------------------------------------------------------------------------------

HttpConnection::Step HttpConnection::step_reading() {
    if (!pending_in_.empty()) {
        std::string input = std::move(pending_in_);
        pending_in_.clear();
        return take_input(input);
    }
    if (input_ended_) return end_of_input();
    size_t count = 0;
    bool end = false;
    if (!read_some(&count, &end)) {
        gone(false);
        return Step::kWait;
    }
    if (end) {
        input_ended_ = true;
        return end_of_input();
    }
    if (count == 0) {
        want(EPOLLIN);
        return Step::kWait;
    }
    return take_input(std::string_view(server_.buffer).substr(0, count));
}

// `data` may lie in the shared buffer: nothing of it is used after dispatch().
HttpConnection::Step HttpConnection::take_input(std::string_view data) {
    auto before = parser_.state();
    MonoTime now = server_.loop.clock().mono();
    if (before == HttpParser::State::kIdle) {
        request_start_ = now;
        deadline_ = now + server_.limits.head_timeout;
        progress_ = 0;
    }
    size_t used = parser_.feed(data);
    auto state = parser_.state();
    if (state == HttpParser::State::kComplete) {
        pending_in_.assign(data.substr(used));
        return dispatch();
    }
    if (state == HttpParser::State::kRefused) {
        const auto& refusal = parser_.refusal();
        return refuse(refusal.status, refusal.reason, refusal.detail);
    }
    if (state == HttpParser::State::kBody) {
        if (before != HttpParser::State::kBody)
            deadline_ = now + server_.limits.body_stall_timeout;
        else
            extend_deadline_after(used);
        if (parser_.expects_continue() && !sent_continue_) send_continue();
    }
    if (phase_ == Phase::kReading && tls_ && tls_->has_buffered_input()) return Step::kMore;
    want(EPOLLIN);
    return Step::kWait;
}

// Progress of a few bytes now and then does not keep a connection alive.
void HttpConnection::extend_deadline_after(size_t bytes) {
    progress_ += bytes;
    if (progress_ < kProgress) return;
    progress_ = 0;
    deadline_ = server_.loop.clock().mono() + server_.limits.body_stall_timeout;
}

HttpConnection::Step HttpConnection::end_of_input() {
    if (tls_) tls_->close_notify();
    gone(false);
    return Step::kWait;
}

// Nothing else waits to be sent, so this fits the socket's buffer; if not, the client goes on
// without.
void HttpConnection::send_continue() {
    sent_continue_ = true;
    size_t count = 0;
    if (!write_some("HTTP/1.1 100 Continue\r\n\r\n", &count, false)) gone(false);
}

// --- handling -----------------------------------------------------------------------------------

HttpConnection::Step HttpConnection::dispatch() {
    HttpRequest request = std::move(parser_.request());
    request.peer = peer_;
    request.tls = tls_ != nullptr;
    if (tls_) request.tls_client = tls_->peer_subject();
    ++server_.stats.requests_total;
    is_head_ = request.method == "HEAD";
    keep_alive_ = parser_.keep_alive();
    if (server_.observer) {
        std::string body = std::move(request.body);
        observed_ = request;
        request.body = std::move(body);
    }
    phase_ = Phase::kHandling;
    deadline_ = MonoTime::max();  // how long an answer may take is the handler's affair
    ticket_ = std::make_shared<HttpResponder::Ticket>(HttpResponder::Ticket{this});
    in_handler_ = true;
    server_.handler(std::move(request), HttpResponder(ticket_));
    in_handler_ = false;
    return phase_ == Phase::kWriting ? Step::kMore : Step::kWait;
}

void HttpConnection::reply(HttpResponse&& response) {
    CHECK(phase_ == Phase::kHandling);
    ticket_->connection = nullptr;
    ticket_.reset();
    begin_writing(std::move(response), keep_alive_ && !server_.draining);
    if (!in_handler_) run();
}

HttpConnection::Step HttpConnection::refuse(int status, std::string_view reason,
                                            std::string detail) {
    server_.refuse(reason);
    is_head_ = false;
    keep_alive_ = false;
    if (server_.observer) {
        observed_ = std::move(parser_.request());
        observed_->body.clear();
        observed_->peer = peer_;
        observed_->tls = tls_ != nullptr;
    }
    begin_writing(HttpResponse::text(status, str_cat(strf("%d ", status), http_reason(status), ": ",
                                                     detail, "\n")),
                  false);
    return Step::kMore;
}

void HttpConnection::begin_writing(HttpResponse&& response, bool keep_alive) {
    phase_ = Phase::kWriting;
    keep_alive_ = keep_alive;
    status_ = response.status;
    out_.clear();
    body_.clear();
    out_at_ = body_at_ = 0;
    sent_ = 0;
    progress_ = 0;
    file_ = std::move(response.file);
    uint64_t length = file_ ? file_->length : response.body.size();
    append_response_head(response, {server_.date(), keep_alive, parser_.http_1_0(), length}, &out_);
    if (is_head_ || !status_has_body(status_)) {
        file_.reset();
    } else if (!file_ && response.body.size() <= kSmallBody) {
        out_ += response.body;
    } else if (!file_) {
        body_ = std::move(response.body);
    } else {
        take_first_block();
    }
    deadline_ = server_.loop.clock().mono() + server_.limits.body_stall_timeout;
}

// --- the end of an exchange ----------------------------------------------------------------------

HttpConnection::Step HttpConnection::finish_exchange() {
    observe(true);
    file_.reset();
    body_ = std::string();
    out_.clear();
    if (out_.capacity() > 4096)
        out_.shrink_to_fit();  // a thousand idle connections should be small
    if (parser_.state() != HttpParser::State::kComplete) {  // refused, or too slow
        start_lingering();
        return Step::kMore;
    }
    if (!keep_alive_ || server_.draining) {
        if (!pending_in_.empty()) {
            start_lingering();
            return Step::kMore;
        }
        if (tls_) tls_->close_notify();
        gone(true);
        return Step::kWait;
    }
    parser_.reset();
    phase_ = Phase::kReading;
    sent_continue_ = false;
    deadline_ = server_.loop.clock().mono() + server_.limits.idle_timeout;
    if (!pending_in_.empty() || (tls_ && tls_->has_buffered_input())) return Step::kMore;
    want(EPOLLIN);
    return Step::kWait;
}

// --- the end ------------------------------------------------------------------------------------

void HttpConnection::start_lingering() {
    if (tls_) tls_->close_notify();
    shutdown(fd_.get(), SHUT_WR);
    tls_.reset();  // what still arrives is not looked at
    pending_in_ = std::string();
    phase_ = Phase::kLingering;
    deadline_ = server_.loop.clock().mono() + kLingerTime;
}

HttpConnection::Step HttpConnection::step_lingering() {
    size_t count = 0;
    bool end = false;
    if (!read_some(&count, &end) || end) {
        gone(true);
        return Step::kWait;
    }
    if (count > 0) return Step::kMore;
    want(EPOLLIN);
    return Step::kWait;
}

void HttpConnection::observe(bool completed) {
    if (!observed_) return;
    auto duration =
        std::chrono::duration_cast<Millis>(server_.loop.clock().mono() - request_start_);
    HttpRequest request = std::move(*observed_);
    observed_.reset();
    server_.observer({request, status_, sent_, duration, completed});
}

void HttpConnection::gone(bool completed) {
    if (phase_ == Phase::kGone) return;
    if (phase_ == Phase::kHandling) status_ = 0;
    phase_ = Phase::kGone;
    interest_ = 0;
    if (ticket_) ticket_->connection = nullptr;
    observe(completed);
    server_.loop.unwatch(fd_.get());
    tls_.reset();
    file_.reset();
    fd_.reset();
    server_.retire(this);
}

void HttpConnection::abort() { gone(false); }

void HttpConnection::close_if_idle() {
    bool idle = phase_ == Phase::kReading && parser_.state() == HttpParser::State::kIdle &&
                pending_in_.empty();
    if (!idle) return;
    if (tls_) tls_->close_notify();
    gone(true);
}

void HttpConnection::check_deadline(MonoTime now) {
    if (now < deadline_) return;
    switch (phase_) {
        case Phase::kHandshake:
            ++server_.stats.handshake_failures;
            tls_context_->count_failure("timeout");
            return gone(false);
        case Phase::kReading:
            if (parser_.state() == HttpParser::State::kIdle) return close_if_idle();
            if (parser_.state() == HttpParser::State::kBody)
                refuse(408, "body_timeout", "the body came too slowly");
            else
                refuse(408, "head_timeout", "the request came too slowly");
            return run();
        case Phase::kWriting:
            server_.refuse("write_timeout");
            return gone(false);
        case Phase::kLingering:
            return gone(true);
        case Phase::kHandling:
        case Phase::kGone:
            return;
    }
}

}  // namespace planetbox
