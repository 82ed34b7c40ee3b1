// libcurl's multi interface on the loop.  libcurl says which sockets it wants watched and when it
// wants to be called; every call into it goes through act(), which then hands out what has
// finished.  Nobody is called from inside libcurl but a transfer's sink and progress, and what
// those may do is limited (start() and cancel() are put off until libcurl has returned).
#include "net/http_client.h"

#include <curl/curl.h>
#include <sys/epoll.h>

#include <deque>
#include <map>
#include <set>

#include "base/strings.h"
#include "net/http_client_transfer.h"

namespace planetbox {

namespace {

constexpr long kMaxIdleConnections = 8;

uint32_t epoll_events(int what) {
    uint32_t events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= EPOLLOUT;
    return events;
}

int curl_events(uint32_t events) {
    int flags = 0;
    if (events & EPOLLIN) flags |= CURL_CSELECT_IN;
    if (events & EPOLLOUT) flags |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP)) flags |= CURL_CSELECT_ERR;
    return flags;
}

}  // namespace

struct HttpClient::State : std::enable_shared_from_this<HttpClient::State> {
    State(Loop& loop_in, HttpClientOptions options_in)
        : loop(loop_in), options(std::move(options_in)) {
        CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);  // counted; undone below
        multi = curl_multi_init();
        CHECK(multi);
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_callback);
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_callback);
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kMaxIdleConnections);
    }

    ~State() {
        CHECK(inside == 0);
        for (auto& [id, transfer] : running) curl_multi_remove_handle(multi, transfer->easy);
        running.clear();
        curl_multi_cleanup(multi);
        loop.cancel(timer);
        loop.cancel(kick);
        for (int fd : watched) loop.unwatch(fd);
        curl_global_cleanup();
    }

    static int socket_callback(CURL*, curl_socket_t fd, int what, void* pointer, void*) {
        static_cast<State*>(pointer)->watch(fd, what);
        return 0;
    }
    static int timer_callback(CURLM*, long millis, void* pointer) {
        static_cast<State*>(pointer)->set_timer(millis);
        return 0;
    }

    void watch(int fd, int what) {
        if (what == CURL_POLL_REMOVE) {
            if (watched.erase(fd)) loop.unwatch(fd);
            return;
        }
        // c-ares closes its sockets by itself, and the number may come back for another socket
        // before libcurl says "remove"; the kernel has then forgotten it, and modify fails.
        if (watched.contains(fd)) {
            if (loop.modify(fd, epoll_events(what))) return;
            loop.unwatch(fd);
            watched.erase(fd);
        }
        Status status = loop.watch(fd, epoll_events(what), [this, fd](uint32_t events) {
            act([&](int* still) {
                curl_multi_socket_action(multi, fd, curl_events(events), still);
            });
        });
        if (status) watched.insert(fd);  // else the transfer's deadline ends it
    }

    void set_timer(long millis) {
        loop.cancel(timer);
        timer = 0;
        if (millis < 0) return;
        timer = loop.after(Millis(millis), [this] {
            timer = 0;
            act([&](int* still) {
                curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, still);
            });
        });
    }

    template <typename Call>
    void act(const Call& call) {
        std::shared_ptr<State> keep = shared_from_this();  // a `done` may destroy the client
        int still = 0;
        call(&still);
        collect();
        tell();
    }

    void collect() {
        int left = 0;
        while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            Transfer* transfer = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
            CURLcode code = message->data.result;  // gone after the handle is removed
            Result<HttpClientResponse> result = transfer->finish(code, loop.clock());
            curl_multi_remove_handle(multi, transfer->easy);
            auto found = running.find(transfer->id);
            if (!transfer->cancelled)
                finished.push_back({transfer->id, std::move(transfer->done), std::move(result)});
            running.erase(found);
        }
    }

    void tell() {
        while (!finished.empty() && !gone) {
            Finished first = std::move(finished.front());
            finished.pop_front();
            first.done(std::move(first.result));
        }
    }

    // Runs as soon as the loop does: what was put off, and requests that failed in start().
    void kick_soon() {
        if (kick) return;
        kick = loop.after(Millis(0), [this] {
            kick = 0;
            act([&](int*) { add_waiting(); });
        });
    }

    void add_waiting() {
        std::vector<std::unique_ptr<Transfer>> batch;
        batch.swap(waiting);
        for (std::unique_ptr<Transfer>& transfer : batch) {
            Status ready = transfer->prepare(options, &inside);
            if (ready) {
                CHECK(curl_multi_add_handle(multi, transfer->easy) == CURLM_OK);
                running.emplace(transfer->id, std::move(transfer));
            } else {
                finished.push_back(
                    {transfer->id, std::move(transfer->done), std::unexpected(ready.error())});
            }
        }
    }

    void cancel(uint64_t id) {
        std::erase_if(waiting, [&](const auto& transfer) { return transfer->id == id; });
        std::erase_if(finished, [&](const auto& one) { return one.id == id; });
        auto found = running.find(id);
        if (found == running.end()) return;
        if (inside) {
            // libcurl must not lose a handle while it works on it; a callback's refusal ends it.
            found->second->cancelled = true;
            return;
        }
        curl_multi_remove_handle(multi, found->second->easy);
        running.erase(found);
    }

    struct Finished {
        uint64_t id;
        Done done;
        Result<HttpClientResponse> result;
    };

    Loop& loop;
    HttpClientOptions options;
    CURLM* multi = nullptr;
    std::set<int> watched;
    std::vector<std::unique_ptr<Transfer>> waiting;  // started, not yet known to libcurl
    std::map<uint64_t, std::unique_ptr<Transfer>> running;
    std::deque<Finished> finished;  // to be told
    Loop::TimerId timer = 0, kick = 0;
    uint64_t next_id = 1;
    int inside = 0;
    bool gone = false;  // the HttpClient is; nobody is called any more
};

HttpClient::HttpClient(Loop& loop, HttpClientOptions options)
    : state_(std::make_shared<State>(loop, std::move(options))) {}

HttpClient::~HttpClient() {
    CHECK(state_->inside == 0);
    state_->gone = true;
}

uint64_t HttpClient::start(HttpClientRequest request, Done done) {
    uint64_t id = state_->next_id++;
    state_->waiting.push_back(std::make_unique<Transfer>(id, std::move(request), std::move(done)));
    state_->kick_soon();
    return id;
}

void HttpClient::cancel(uint64_t id) { state_->cancel(id); }

Result<HttpClientResponse> http_fetch(const HttpClientOptions& options, HttpClientRequest request) {
    RealClock clock;
    std::unique_ptr<Loop> loop = TRY(Loop::create(clock));
    HttpClient client(*loop, options);
    std::optional<Result<HttpClientResponse>> answer;
    client.start(std::move(request),
                 [&](Result<HttpClientResponse> result) { answer = std::move(result); });
    while (!answer) TRY(loop->turn(Seconds(60)));
    return std::move(*answer);
}

}  // namespace planetbox
