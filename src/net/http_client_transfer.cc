#include "net/http_client_transfer.h"

#include <curl/curl.h>

#include "base/strings.h"

namespace planetbox {

namespace {

constexpr size_t kMaxHeaderBytes = 64 * 1024;

// Tells HttpClient that libcurl is calling us, so that it does not call back into libcurl.
class InsideGuard {
public:
    explicit InsideGuard(int* inside) : inside_(inside) { ++*inside_; }
    ~InsideGuard() { --*inside_; }
    InsideGuard(const InsideGuard&) = delete;
    InsideGuard& operator=(const InsideGuard&) = delete;

private:
    int* inside_;
};

size_t header_callback(char* data, size_t size, size_t count, void* pointer) {
    auto* transfer = static_cast<Transfer*>(pointer);
    InsideGuard guard(transfer->inside);
    return transfer->on_header({data, size * count}) ? size * count : 0;
}

size_t write_callback(char* data, size_t size, size_t count, void* pointer) {
    auto* transfer = static_cast<Transfer*>(pointer);
    InsideGuard guard(transfer->inside);
    return transfer->on_body({data, size * count}) ? size * count : CURL_WRITEFUNC_ERROR;
}

CURLcode tls_callback(CURL*, void* ssl_config, void* pointer) {
    tls_prepare_client(ssl_config, &static_cast<Transfer*>(pointer)->check);
    return CURLE_OK;
}

// libcurl keeps the pointer, not a copy; the option's string outlives every transfer.
curl_blob blob_of(const std::string& text, size_t extra) {
    return {const_cast<char*>(text.data()), text.size() + extra, CURL_BLOB_NOCOPY};
}

bool has_line_break(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

}  // namespace

Transfer::Transfer(uint64_t id_in, HttpClientRequest request_in, HttpClient::Done done_in)
    : id(id_in), request(std::move(request_in)), done(std::move(done_in)) {}

Transfer::~Transfer() {
    if (easy) curl_easy_cleanup(easy);
    curl_slist_free_all(header_list_);
}

Status Transfer::prepare(const HttpClientOptions& options, int* inside_in) {
    inside = inside_in;
    check.check_dates = options.check_dates;
    TRY(set_url(options));
    easy = curl_easy_init();
    if (!easy) return fail(Code::kIo, "out of memory");
    curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_callback);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_callback);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    // A redirect may lead from http to https, never back.
    const char* first = options.allow_http ? "http,https" : "https";
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, first);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, https_ ? "https" : first);
    set_request();
    set_tls(options);
    return set_headers();
}

Status Transfer::set_url(const HttpClientOptions& options) {
    Result<Url> url = parse_url(request.url);
    if (!url) return fail(Error(Code::kInvalid, "the URL cannot be understood"));
    https_ = url->scheme == "https";
    if (!https_ && url->scheme != "http")
        return fail(Code::kInvalid, str_cat(url->scheme, ": no such protocol here; use https"));
    host_ = url->host;
    bool v6 = host_.find(':') != std::string::npos;
    origin = str_cat(url->scheme, "://", v6 ? "[" : "", host_, v6 ? "]:" : ":",
                     std::to_string(url->port));
    if (!https_ && !options.allow_http)
        return fail(Code::kInvalid, str_cat(origin, ": plain http is refused; use https"));
    if (https_ && options.ca_pem.empty())
        return fail(Code::kInvalid,
                    str_cat(origin,
                            ": no CA certificate is given, so no https server can be "
                            "trusted; name the fleet's CA file"));
    if (https_) TRY_CONTEXT(tls_check_ca(options.ca_pem), origin);
    return {};
}

void Transfer::set_request() {
    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request.max_redirects > 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, static_cast<long>(request.max_redirects));
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(request.connect_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(request.low_speed_bytes));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                     static_cast<long>(request.low_speed_time.count()));
    // CURLOPT_RANGE, not RESUME_FROM: the latter fails when the server sends the whole file.
    if (request.resume_from)
        curl_easy_setopt(easy, CURLOPT_RANGE,
                         str_cat(std::to_string(request.resume_from), "-").c_str());

    if (request.method == "HEAD") {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (request.method != "GET" || !request.body.empty()) {
        // POST, as libcurl calls every request with a body; it becomes GET on 301-303, as Go does.
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(request.body.size()));
        if (request.method != "POST")
            curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
}

Status Transfer::set_headers() {
    auto append = [&](const std::string& line) {
        if (curl_slist* longer = curl_slist_append(header_list_, line.c_str()))
            header_list_ = longer;
    };
    append("Expect:");  // no waiting for 100-continue
    if (!request.body.empty() && !request.headers.get("Content-Type"))
        append("Content-Type: application/octet-stream");
    for (const auto& [name, value] : request.headers.all()) {
        if (name.empty() || has_line_break(name) || has_line_break(value) ||
            name.find_first_of(": ") != std::string::npos)
            return fail(Code::kInvalid, str_cat("request header ", printable(name, 40),
                                                ": may hold no line break, colon or space"));
        append(value.empty() ? str_cat(name, ";") : str_cat(name, ": ", value));
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, header_list_);
    return {};
}

void Transfer::set_tls(const HttpClientOptions& options) {
    if (options.ca_pem.empty()) return;
    curl_blob ca = blob_of(options.ca_pem, 0);
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, tls_callback);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, this);
    if (options.client_cert_pem.empty()) return;
    curl_blob cert = blob_of(options.client_cert_pem, 0);
    curl_blob key = blob_of(options.client_key_pem, 1);  // Mbed TLS wants the final NUL counted
    curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &cert);
    curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
}

bool Transfer::on_header(std::string_view line) {
    if (cancelled) return false;
    header_bytes_ += line.size();
    if (header_bytes_ > kMaxHeaderBytes) {
        failure =
            fail(Code::kTooLarge, strf("more than %zu bytes of header fields", kMaxHeaderBytes));
        return false;
    }
    line = trim(line);
    if (line.starts_with("HTTP/")) {
        // A new answer: after a redirect, or after 100 Continue.
        response = {};
        received_ = to_skip_ = total_ = 0;
        body_begun_ = false;
        auto words = split_once(line, ' ');
        response.status_line = printable(words ? trim(words->second) : "");
        response.status =
            static_cast<int>(parse_uint(response.status_line.substr(0, 3)).value_or(0));
    } else if (auto field = split_once(line, ':')) {
        response.headers.add(std::string(trim(field->first)), std::string(trim(field->second)));
    }
    return true;
}

// Where the body goes, and which part of it, follows from the header fields.
Status Transfer::begin_body() {
    body_begun_ = true;
    if (request.on_head) TRY(request.on_head(response));
    to_sink_ = request.sink && response.status >= 200 && response.status < 300;
    auto length = response.headers.get("Content-Length");
    auto bytes = length ? parse_uint(*length) : std::nullopt;
    uint64_t start = 0;
    if (response.status == 206) {
        // "bytes 100-199/200"
        auto range = response.headers.get("Content-Range").value_or("");
        auto first = split_once(range.substr(std::min<size_t>(range.size(), 6)), '-');
        auto offset =
            first && range.starts_with("bytes ") ? parse_uint(first->first) : std::nullopt;
        if (!offset || *offset > request.resume_from)
            return fail(Code::kProtocol,
                        strf("asked for the bytes from %llu, the server sent another range",
                             static_cast<unsigned long long>(request.resume_from)));
        start = *offset;
    }
    if (response.status >= 200 && response.status < 300) to_skip_ = request.resume_from - start;
    total_ = bytes ? *bytes + start : 0;
    return {};
}

bool Transfer::on_body(std::string_view data) {
    if (cancelled) return false;
    if (!body_begun_) failure = begin_body();
    if (failure && !to_sink_ && total_ > request.max_body)
        failure =
            fail(Code::kTooLarge, strf("the answer has %llu bytes; at most %zu are taken",
                                       static_cast<unsigned long long>(total_), request.max_body));
    if (!failure) return false;
    received_ += data.size();
    if (to_skip_) {
        size_t skipped = std::min<uint64_t>(to_skip_, data.size());
        to_skip_ -= skipped;
        data.remove_prefix(skipped);
    }
    if (to_sink_) {
        if (!data.empty()) failure = request.sink(data);
    } else if (response.body.size() + data.size() > request.max_body) {
        failure =
            fail(Code::kTooLarge, strf("the answer is longer than %zu bytes", request.max_body));
    } else {
        response.body.append(data);
    }
    if (failure && request.progress) {
        uint64_t start = response.status == 206 ? request.resume_from : 0;
        request.progress(received_ + start, total_);
    }
    return failure && !cancelled;
}

Result<HttpClientResponse> Transfer::finish(int curl_code, const Clock& clock) {
    if (!failure) return fail(Error(std::move(failure.error())).context(origin));
    if (curl_code != CURLE_OK) return fail(explain(curl_code, clock).context(origin));
    if (!body_begun_) {  // an answer without a body
        Status head = begin_body();
        if (!head) return fail(std::move(head.error()).context(origin));
    }
    response.server_date = std::string(response.headers.get("Date").value_or(""));
    return std::move(response);
}

static Error with(HttpFailure kind, Error error) {
    return std::move(error).with_detail(static_cast<int>(kind));
}

Error Transfer::explain_timeout() const {
    curl_off_t connected = 0, secured = 0;
    curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &secured);
    if (!connected)
        return with(HttpFailure::kConnect,
                    Error(Code::kTimeout, str_cat("no connection within ",
                                                  human_duration(request.connect_timeout))));
    if (https_ && !secured)
        return with(HttpFailure::kTls, Error(Code::kTimeout, "the TLS handshake took too long"));
    if (std::string_view(error_text_).find("too slow") != std::string_view::npos)
        return with(
            HttpFailure::kTransfer,
            Error(Code::kTimeout, strf("less than %llu bytes a second for %s",
                                       static_cast<unsigned long long>(request.low_speed_bytes),
                                       human_duration(request.low_speed_time).c_str())));
    return with(HttpFailure::kTransfer,
                Error(Code::kTimeout,
                      str_cat("not finished within ", human_duration(request.total_timeout))));
}

Error Transfer::explain(int curl_code, const Clock& clock) const {
    long os_errno = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
    int err = static_cast<int>(os_errno);
    std::string detail = printable(
        error_text_[0] ? error_text_ : curl_easy_strerror(static_cast<CURLcode>(curl_code)));
    auto broken = [&](std::string_view what) {
        return with(HttpFailure::kTransfer,
                    Error(Code::kUnavailable, std::string(what)).with_errno(err));
    };
    switch (curl_code) {
        case CURLE_COULDNT_RESOLVE_HOST:
            return with(HttpFailure::kDns,
                        Error(Code::kUnavailable,
                              str_cat("the name ", host_,
                                      " does not resolve; check it, and the name servers in "
                                      "/etc/resolv.conf")));
        case CURLE_COULDNT_CONNECT:
            return with(HttpFailure::kConnect,
                        Error(Code::kUnavailable,
                              err ? str_cat("connect: ", sys_error("", err).message().substr(2))
                                  : std::string("cannot connect"))
                            .with_errno(err));
        case CURLE_OPERATION_TIMEDOUT:
            return explain_timeout();
        case CURLE_PEER_FAILED_VERIFICATION: {
            bool dates =
                (check.expired || check.not_yet_valid) && !check.untrusted && !check.wrong_name;
            return with(dates ? HttpFailure::kDates : HttpFailure::kUntrusted,
                        Error(Code::kDenied, check.explain(host_, clock.wall())));
        }
        case CURLE_SSL_CONNECT_ERROR:
            return with(HttpFailure::kTls,
                        Error(Code::kProtocol, str_cat("TLS handshake failed: ", detail)));
        case CURLE_SSL_CERTPROBLEM:
            return Error(Code::kInvalid,
                         "the CA certificate, or the client's own certificate or key, "
                         "cannot be read: it must be PEM");
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
            if (response.status >= 300)
                return Error(Code::kProtocol,
                             https_ ? "was redirected away from https, or to an address that "
                                      "cannot be understood: refused"
                                    : "was redirected to an address that cannot be used");
            return curl_code == CURLE_URL_MALFORMAT
                       ? Error(Code::kInvalid, "the URL cannot be understood")
                       : Error(Code::kProtocol, "the answer is not HTTP; is this the right port?");
        case CURLE_TOO_MANY_REDIRECTS:
            return Error(Code::kProtocol,
                         strf("stopped after %d redirects", request.max_redirects));
        case CURLE_GOT_NOTHING:
            return broken("the server closed the connection without an answer");
        case CURLE_PARTIAL_FILE:
            return broken("the connection ended before the answer did");
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
            return broken(
                err ? str_cat("the connection broke: ", sys_error("", err).message().substr(2))
                    : std::string("the connection broke"));
        case CURLE_OUT_OF_MEMORY:
            return Error(Code::kIo, "out of memory");
        default:
            return Error(Code::kProtocol, detail);
    }
}

HttpFailure http_failure(const Error& error) { return static_cast<HttpFailure>(error.detail()); }

}  // namespace planetbox
