#include "net/http_parser.h"

#include <llhttp.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace planetbox {

static constexpr size_t kMaxFields = 100;

struct HttpParser::Impl {
    llhttp_t parser;
    State state = State::kIdle;
    HttpRequest request;
    Refusal refusal;
    BodyLimit body_limit;
    size_t max_head;
    size_t head_bytes = 0;
    std::string name, value;  // the header field being read
    bool keep_alive = false;
    bool expects_continue = false;
    int hosts = 0;

    Impl(size_t max_head_bytes, BodyLimit limit)
        : body_limit(std::move(limit)), max_head(max_head_bytes) {}
    void start();
    size_t feed(std::string_view data);
    void finish_feed(llhttp_errno_t error);
    bool take_field();
    bool take_target();
    bool take_head();
    bool refuse(int status, std::string_view reason, std::string detail) {
        refusal = {status, reason, std::move(detail)};
        state = State::kRefused;
        return false;
    }
};

namespace {

template <typename Impl>
Impl& self(llhttp_t* parser) {
    return *static_cast<Impl*>(parser->data);
}

// Every path segment is looked at, so that no handler has to think of "..".
bool has_dot_dot(std::string_view path) {
    size_t at = 0;
    while ((at = path.find("..", at)) != std::string_view::npos) {
        bool starts = at == 0 || path[at - 1] == '/';
        bool ends = at + 2 == path.size() || path[at + 2] == '/';
        if (starts && ends) return true;
        ++at;
    }
    return false;
}

}  // namespace

// --- what a complete head must satisfy ----------------------------------------------------------

bool HttpParser::Impl::take_field() {
    if (name.empty()) return true;
    std::string_view trimmed = trim(value);
    if (trimmed.size() != value.size()) value = std::string(trimmed);
    if (request.headers.all().size() >= kMaxFields)
        return refuse(431, "head_too_large", "more than 100 header fields");
    if (iequals_ascii(name, "host")) ++hosts;
    if (iequals_ascii(name, "transfer-encoding"))
        return refuse(411, "transfer_encoding",
                      "Transfer-Encoding is not accepted; send Content-Length");
    if (iequals_ascii(name, "expect")) {
        if (!iequals_ascii(value, "100-continue"))
            return refuse(417, "bad_expectation", "the only expectation met here is 100-continue");
        expects_continue = parser.http_major == 1 && parser.http_minor >= 1;
    }
    request.headers.add(std::move(name), std::move(value));
    name.clear();
    value.clear();
    return true;
}

bool HttpParser::Impl::take_target() {
    std::string_view target = request.target;
    if (target.find('#') != std::string_view::npos)
        return refuse(400, "bad_request", "the request target holds a '#'");
    if (target == "*" && request.method == "OPTIONS") {
        request.path = "*";
        return true;
    }
    if (!target.starts_with('/')) {  // absolute-form
        auto url = parse_url(target);
        if (!url || url->scheme == "file")
            return refuse(400, "bad_request", "the request target is no path");
        size_t start = target.find("://") + 3;
        std::string_view authority =
            target.substr(start, target.find_first_of("/?", start) - start);
        if (!iequals_ascii(authority, request.headers.get("host").value_or("")))
            return refuse(421, "misdirected", "the request is for another host");
        request.target = url->path_and_query;
        target = request.target;
    }
    size_t query = target.find('?');
    auto path = url_decode(target.substr(0, query), false);
    if (!path || path->find('\0') != std::string::npos)
        return refuse(400, "bad_request", "the path holds a broken escape or a NUL");
    if (has_dot_dot(*path)) return refuse(400, "bad_request", "the path holds \"..\"");
    request.path = std::move(*path);
    if (query != std::string_view::npos) request.query = std::string(target.substr(query + 1));
    return true;
}

bool HttpParser::Impl::take_head() {
    if (!take_field()) return false;
    request.method = llhttp_method_name(static_cast<llhttp_method_t>(parser.method));
    if (parser.method == HTTP_CONNECT)
        return refuse(501, "bad_method", "this is no proxy: CONNECT is not supported");
    bool v1_1 = parser.http_major == 1 && parser.http_minor == 1;
    if (!v1_1 && !(parser.http_major == 1 && parser.http_minor == 0))
        return refuse(505, "bad_version", "speak HTTP/1.1 or HTTP/1.0");
    if (v1_1 ? hosts != 1 : hosts > 1)
        return refuse(400, "bad_request", "there must be exactly one Host field");
    if (!take_target()) return false;
    parser.upgrade = 0;
    if (parser.content_length > 0) {
        size_t limit = body_limit ? body_limit(request) : 0;
        if (parser.content_length > limit)
            return refuse(413, "body_too_large",
                          strf("the body may hold at most %zu bytes", limit));
        request.body.reserve(std::min<size_t>(parser.content_length, 64 * 1024));
    }
    state = State::kBody;
    return true;
}

// --- llhttp's callbacks -------------------------------------------------------------------------

template <typename Impl>
static const llhttp_settings_t& settings() {
    static const llhttp_settings_t table = [] {
        llhttp_settings_t s;
        llhttp_settings_init(&s);
        s.on_url = [](llhttp_t* p, const char* at, size_t size) {
            self<Impl>(p).request.target.append(at, size);
            return 0;
        };
        s.on_header_field = [](llhttp_t* p, const char* at, size_t size) {
            self<Impl>(p).name.append(at, size);
            return 0;
        };
        s.on_header_value = [](llhttp_t* p, const char* at, size_t size) {
            self<Impl>(p).value.append(at, size);
            return 0;
        };
        s.on_header_value_complete = [](llhttp_t* p) {
            return self<Impl>(p).take_field() ? 0 : static_cast<int>(HPE_USER);
        };
        s.on_headers_complete = [](llhttp_t* p) { return self<Impl>(p).take_head() ? 0 : -1; };
        s.on_body = [](llhttp_t* p, const char* at, size_t size) {
            self<Impl>(p).request.body.append(at, size);
            return 0;
        };
        s.on_message_complete = [](llhttp_t* p) {
            auto& impl = self<Impl>(p);
            impl.state = HttpParser::State::kComplete;
            impl.keep_alive = llhttp_should_keep_alive(p) != 0;
            return static_cast<int>(HPE_PAUSED);
        };
        return s;
    }();
    return table;
}

void HttpParser::Impl::start() {
    llhttp_init(&parser, HTTP_REQUEST, &settings<Impl>());
    parser.data = this;
    state = State::kIdle;
    request = HttpRequest();
    head_bytes = 0;
    name.clear();
    value.clear();
    keep_alive = expects_continue = false;
    hosts = 0;
}

void HttpParser::Impl::finish_feed(llhttp_errno_t error) {
    if (error == HPE_OK || state == State::kComplete || state == State::kRefused) return;
    const char* detail = llhttp_get_error_reason(&parser);
    // llhttp uses this code for a bare LF after the version, too.
    if (error == HPE_INVALID_VERSION && detail && strstr(detail, "Invalid HTTP version"))
        refuse(505, "bad_version", "speak HTTP/1.1 or HTTP/1.0");
    else if (error == HPE_INVALID_TRANSFER_ENCODING)
        refuse(411, "transfer_encoding", "Transfer-Encoding is not accepted; send Content-Length");
    else
        refuse(400, "bad_request", detail ? detail : "not HTTP");
}

size_t HttpParser::Impl::feed(std::string_view data) {
    if (state == State::kIdle) state = State::kHead;
    bool in_head = state == State::kHead;
    // A head over the limit is refused before llhttp has seen, and we have kept, much more than
    // that.
    if (in_head && head_bytes + data.size() > max_head)
        data = data.substr(0, max_head - head_bytes + 1);
    llhttp_errno_t error = llhttp_execute(&parser, data.data(), data.size());
    size_t used = error == HPE_OK
                      ? data.size()
                      : static_cast<size_t>(llhttp_get_error_pos(&parser) - data.data());
    finish_feed(error);
    if (in_head) head_bytes += used;
    if (state == State::kHead && head_bytes > max_head)
        refuse(431, "head_too_large",
               strf("the request's head may hold at most %zu bytes", max_head));
    return used;
}

// --- the public face ----------------------------------------------------------------------------

HttpParser::HttpParser(size_t max_head, BodyLimit body_limit)
    : impl_(new Impl(max_head, std::move(body_limit))) {
    impl_->start();
}
HttpParser::~HttpParser() = default;

size_t HttpParser::feed(std::string_view data) {
    size_t used = 0;
    while (used < data.size() && impl_->state != State::kComplete &&
           impl_->state != State::kRefused)
        used += impl_->feed(data.substr(used));
    return used;
}

HttpParser::State HttpParser::state() const { return impl_->state; }
HttpRequest& HttpParser::request() { return impl_->request; }
const HttpParser::Refusal& HttpParser::refusal() const { return impl_->refusal; }
bool HttpParser::keep_alive() const { return impl_->keep_alive; }
bool HttpParser::http_1_0() const {
    return impl_->parser.http_major == 1 && impl_->parser.http_minor == 0;
}
bool HttpParser::expects_continue() const {
    return impl_->expects_continue && impl_->state == State::kBody;
}
void HttpParser::reset() { impl_->start(); }

}  // namespace planetbox
