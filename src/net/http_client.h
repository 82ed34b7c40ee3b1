// The HTTP(S) client over libcurl's multi interface on the project's loop (its only includer).
//
// Trust: the CA in `ca_pem` and nothing else; there is no system store in the RAM image.  Name and
// validity are always checked, with one exception for a machine without a clock: see check_dates.
//
// Names are resolved by c-ares, which reads /etc/resolv.conf and /etc/hosts for each look-up.
// Limits: 64 KiB of header fields, max_body, max_redirects; every wait has its deadline below.
// Messages name scheme, host and port only: paths and queries carry tokens and keys.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "event/loop.h"
#include "net/http_message.h"

namespace planetbox {

struct HttpClientResponse;

struct HttpClientRequest {
    std::string method = "GET";
    std::string url;
    HttpHeaders headers;
    std::string body;
    // Sends Range: bytes=N-.  A server that answers with the whole file all the same costs the
    // download of the first N bytes again, but they are left out: the sink always gets what follows
    // byte N.
    uint64_t resume_from = 0;
    size_t max_body = 16u << 20;  // more is kTooLarge; for bodies kept in memory
    // Status, status_line and headers of the final answer (not of redirects), before the first byte
    // of its body: where a download that resumes sees a 200 or another ETag.  An error stops.
    std::function<Status(const HttpClientResponse&)> on_head;
    // When set, the body of a 2xx answer goes here piece by piece (not into
    // HttpClientResponse::body); an error stops the transfer and is what `done` gets.  Other
    // answers' bodies (an error page) never do.
    std::function<Status(std::string_view)> sink;
    // done, total (0 = unknown), resume_from included.
    std::function<void(uint64_t, uint64_t)> progress;
    Millis connect_timeout{15'000};
    Millis total_timeout{600'000};
    uint64_t low_speed_bytes = 1;  // below this many bytes a second …
    Seconds low_speed_time{60};    // … for so long: kTimeout
    int max_redirects = 10;        // as Go's client; https → http is refused
};

struct HttpClientResponse {
    int status = 0;
    std::string status_line;  // "404 Not Found", as Go's Response.Status
    HttpHeaders headers;
    std::string body;
    std::string server_date;  // Date header: a rough clock the pinned CA has vouched for
};

struct HttpClientOptions {
    std::string ca_pem;  // empty: https is refused with a message that says so
    std::string user_agent = "planetbox";
    std::string client_cert_pem, client_key_pem;
    bool allow_http = false;
    // false: the chain must still end in ca_pem and the name must fit, but the certificates' dates
    // are not looked at.  Only for asking a pinned server the time (its Date header) on a machine
    // with a dead RTC.
    bool check_dates = true;
};

// Which part failed, for callers that must tell a person what to look at (wire/failure_code.h).
enum class HttpFailure {
    kOther,      // limits, the sink's own error, bad arguments, a broken answer
    kDns,        // the name does not resolve
    kConnect,    // no connection
    kUntrusted,  // the certificate is not from our CA, for another name, or not fit
    kDates,      // the certificate is expired or not yet valid
    kTls,        // the handshake failed for another reason
    kTransfer,   // the connection broke, or was too slow, after it was made
};
// Of an Error that `done` or http_fetch() gave.
HttpFailure http_failure(const Error& error);

class HttpClient {
public:
    HttpClient(Loop& loop, HttpClientOptions options);
    ~HttpClient();  // cancels what runs, without calling back; not from inside a sink or progress
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    using Done = std::function<void(Result<HttpClientResponse>)>;
    // An HTTP status is not an error here; a failed connection, TLS, timeout or limit is.  Codes:
    // kUnavailable (connect, DNS, reset), kDenied (certificate refused; the message says why in
    // words), kTimeout, kTooLarge, kInvalid (URL), kProtocol. `done` never runs inside start().  It
    // may start, cancel, and destroy this client. Returns an id for cancel().
    uint64_t start(HttpClientRequest request, Done done);
    void cancel(uint64_t id);

private:
    struct State;
    std::shared_ptr<State> state_;
};

// One request on a loop of its own, waiting for the answer: for command-line applets and workers.
Result<HttpClientResponse> http_fetch(const HttpClientOptions& options, HttpClientRequest request);

}  // namespace planetbox
