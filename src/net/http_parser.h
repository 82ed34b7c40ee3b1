// HTTP/1.1 requests from bytes, over llhttp (in its strict mode, and http_parser.cc is its only
// includer).  No sockets, no clock: unit-tested and fuzzed as it is.
//
// What llhttp lets through and the server does not want is refused here, so that two readers of one
// byte stream cannot disagree about where a request ends: Transfer-Encoding, more or less than one
// Host in HTTP/1.1, absolute-form for another host, CONNECT, a path with "..", NUL or a broken
// escape. An Upgrade is ignored, as RFC 9110 allows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_message.h"

namespace planetbox {

class HttpParser {
public:
    enum class State {
        kIdle,      // no byte of a request yet
        kHead,      // in the request line or the header
        kBody,      // the head is complete, the body is not
        kComplete,  // request() holds it all; feed() takes nothing until reset()
        kRefused,   // refusal() says why; the connection cannot go on
    };
    struct Refusal {
        int status = 400;
        std::string_view reason;  // a word for counters: "bad_request", "head_too_large", …
        std::string detail;       // for the client
    };
    // Asked when the head is complete: how large may this request's body be?
    using BodyLimit = std::function<size_t(const HttpRequest& head)>;

    HttpParser(size_t max_head, BodyLimit body_limit);
    ~HttpParser();
    HttpParser(const HttpParser&) = delete;
    HttpParser& operator=(const HttpParser&) = delete;

    // Returns how many bytes were used: all of them, but for what follows a complete request.
    size_t feed(std::string_view data);
    State state() const;
    HttpRequest& request();
    const Refusal& refusal() const;
    bool keep_alive() const;  // valid when complete
    bool http_1_0() const;
    bool expects_continue() const;  // the client waits for "100 Continue" before it sends the body
    void reset();                   // ready for the next request

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace planetbox
