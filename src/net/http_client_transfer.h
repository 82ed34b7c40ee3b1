// One request of the HTTP client: what libcurl is told, what it tells us, and what became of it.
// Internal to net/http_client*.cc.
#pragma once

#include <string>
#include <string_view>

#include "net/http_client.h"
#include "net/tls_client.h"

struct curl_slist;

namespace planetbox {

struct Transfer {
    Transfer(uint64_t id, HttpClientRequest request, HttpClient::Done done);
    ~Transfer();  // frees the easy handle, which must not be in a multi handle any more
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    // Checks the request and sets up `easy`.  `inside` counts our callbacks that libcurl is in.
    Status prepare(const HttpClientOptions& options, int* inside);
    // The end: libcurl's verdict becomes the response or an Error.
    Result<HttpClientResponse> finish(int curl_code, const Clock& clock);

    // libcurl's callbacks; 0 or a short count stops the transfer, `failure` says why.
    bool on_header(std::string_view line);
    bool on_body(std::string_view data);

    uint64_t id;
    HttpClientRequest request;
    HttpClient::Done done;
    HttpClientResponse response;
    TlsClientCheck check;
    Status failure;  // of ours, in a callback
    bool cancelled = false;
    void* easy = nullptr;  // CURL*
    int* inside = nullptr;
    std::string origin;  // "https://host:port", for messages

private:
    Status set_url(const HttpClientOptions& options);
    void set_request();
    Status set_headers();
    void set_tls(const HttpClientOptions& options);
    Error explain(int curl_code, const Clock& clock) const;
    Error explain_timeout() const;
    Status begin_body();

    curl_slist* header_list_ = nullptr;
    std::string host_;
    size_t header_bytes_ = 0;
    uint64_t received_ = 0;  // of this answer's body, as it came
    uint64_t to_skip_ = 0;   // bytes before resume_from in an answer that starts at 0
    uint64_t total_ = 0;     // of the whole body, 0 = unknown
    bool body_begun_ = false;
    bool to_sink_ = false;
    bool https_ = false;
    char error_text_[256] = {};  // CURL_ERROR_SIZE
};

}  // namespace planetbox
