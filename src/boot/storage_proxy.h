// The storage proxy: files of an upstream prefix, kept on disk, so that a fleet costs one download.
//
// Owned by bootd's StorageService.  One fetch an object, however many wait for it; an object
// younger than `fresh` is answered from the disk, an older one is asked for again with its ETag,
// and if upstream cannot be reached the old one is served.  Who waits longer than `patience` is
// told 503 with Retry-After while the fetch goes on; boot clients retry, and find it on the disk.
//
// On disk: KEY.meta (JSON) names the body file KEY-HASH; the meta file is replaced in one step, so
// a crash leaves an entry or none.  Least recently used entries go when `limit` bytes are exceeded.
//
// Like ePoxy's it asks for no proof from the caller: what it hands out is public upstream.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/loop.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace planetbox {

struct StorageProxyConfig {
    std::string prefix_url;  // without a slash at the end
    std::string directory;
    std::string ca_pem;  // who may vouch for an https upstream
    uint64_t limit = uint64_t(20) << 30;
    uint64_t max_object = uint64_t(4) << 30;
    Seconds fresh{60};
    Millis patience{45'000};
    size_t max_fetches = 16;
};

class StorageProxy {
public:
    StorageProxy(Loop& loop, StorageProxyConfig config);
    ~StorageProxy();

    // `path` has passed is_storage_path().  503 when too many fetches run.
    void serve(HttpRequest&& request, const std::string& path, HttpResponder responder);

    struct Stats {
        uint64_t hits = 0, fetched = 0, revalidated = 0, stale = 0, failed = 0;
    };
    const Stats& stats() const { return stats_; }

private:
    struct Entry;
    struct Fetch;
    std::string meta_path(const std::string& key) const;
    std::optional<Entry> load(const std::string& key, const std::string& path) const;
    Status save(const std::string& key, const std::string& path, const Entry& entry);
    void start(const std::string& key, const std::string& path);
    void finished(const std::string& key, Result<HttpClientResponse> result);
    Result<Entry> keep(const std::string& key, Fetch& fetch, const HttpClientResponse& response);
    HttpResponse answer(const HttpRequest& request, const Entry& entry) const;
    HttpResponse relay(Fetch& fetch, const Result<HttpClientResponse>& result) const;
    void evict();
    void give_up_waiting(const std::string& key, uint64_t waiter);

    Loop& loop_;
    StorageProxyConfig config_;
    HttpClient client_;
    std::map<std::string, std::unique_ptr<Fetch>> fetches_;  // by key
    uint64_t next_waiter_ = 1;
    Stats stats_;
};

}  // namespace planetbox
