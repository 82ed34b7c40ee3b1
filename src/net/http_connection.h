// One connection of an HttpServer: the state machine between a socket and a handler.
//
//   handshake ──► reading ──► handling ──► writing ──► reading … or lingering ──► gone
//                    └── refused by the parser ──┘
//
// A step does what is possible now and says whether there is more (run() goes on), or for what it
// waits. After some steps, or 128 KiB written, the others get their turn: a thousand downloads
// progress evenly. The epoll interest is changed as seldom as possible: in the usual exchange
// (request there, answer fits the socket) never.
//
// Lingering: after an answer that the client did not expect yet (413, 408, …) the socket is only
// shut down for writing and what still arrives is thrown away for 2 s, because closing with unread
// input would make the kernel send RST, and the client would lose the answer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/http_parser.h"
#include "net/http_server.h"

namespace planetbox {

struct HttpResponder::Ticket {
    HttpConnection* connection;  // nullptr once answered or gone
};

class HttpConnection {
public:
    HttpConnection(HttpServer::State& server, UniqueFd fd, const Endpoint& peer,
                   std::shared_ptr<TlsContext> tls);
    ~HttpConnection();
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    Status start();  // watches the socket
    void resume();
    void check_deadline(MonoTime now);
    void close_if_idle();
    void abort();
    void reply(HttpResponse&& response);
    const IpAddress& peer() const { return peer_.address; }

    size_t index = 0;  // in State::connections
    bool resume_queued = false;

private:
    enum class Phase { kHandshake, kReading, kHandling, kWriting, kLingering, kGone };
    enum class Step { kMore, kWait };

    void on_ready(uint32_t events);
    void run();
    Step step();
    Step step_handshake();
    Step step_reading();
    Step step_writing();
    Step step_lingering();

    Step handshake_failed();
    Step take_input(std::string_view data);
    Step end_of_input();
    Step dispatch();
    Step refuse(int status, std::string_view reason, std::string detail);
    void begin_writing(HttpResponse&& response, bool keep_alive);
    void take_first_block();
    void send_continue();
    Step finish_exchange();
    void start_lingering();
    void gone(bool completed);
    void observe(bool completed);

    // Raw transfer.  Each returns false when the connection is lost.
    bool read_some(size_t* count, bool* end);
    bool write_some(std::string_view data, size_t* count, bool more_follows);
    bool write_file(size_t budget, size_t* count);
    bool flush_tls(bool* blocked);
    void want(uint32_t events);
    void extend_deadline_after(size_t bytes);

    HttpServer::State& server_;
    UniqueFd fd_;
    Endpoint peer_;
    std::shared_ptr<TlsContext> tls_context_;
    std::unique_ptr<TlsStream> tls_;
    HttpParser parser_;
    std::shared_ptr<HttpResponder::Ticket> ticket_;
    std::optional<HttpRequest> observed_;  // without its body; only when there is an observer

    std::string pending_in_;  // what followed the request in progress
    std::string out_;         // head, and a small body
    std::string body_;        // a large body
    std::optional<FileBody> file_;
    size_t out_at_ = 0, body_at_ = 0;
    uint64_t sent_ = 0;
    size_t progress_ = 0;  // bytes since the deadline was last put off

    MonoTime deadline_;
    MonoTime request_start_;
    int status_ = 0;
    uint32_t interest_ = 0;
    Phase phase_;
    bool keep_alive_ = false;
    bool input_ended_ = false;  // the client has shut down its side
    bool sent_continue_ = false;
    bool in_handler_ = false;
    bool is_head_ = false;
};

}  // namespace planetbox
