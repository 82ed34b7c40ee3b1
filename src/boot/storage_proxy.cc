#include "boot/storage_proxy.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "boot/file_answer.h"
#include "crypto/hash.h"
#include "net/file_response.h"
#include "sys/files.h"

namespace planetbox {

// What a .meta file holds.
struct StorageProxy::Entry {
    std::string body;  // file name
    uint64_t size = 0;
    std::string sha256, etag, modified, type;
    int64_t fetched = 0;  // Unix seconds
};

struct StorageProxy::Fetch {
    struct Waiter {
        uint64_t number;
        HttpRequest request;
        HttpResponder responder;
        Loop::TimerId timer;
    };
    std::string path;
    std::vector<Waiter> waiters;
    std::optional<Entry> old;
    UniqueFd file;
    std::string file_path;
    Sha256 hash;
    uint64_t size = 0;
};

namespace {

std::string encoded_path(std::string_view path) {
    std::string out;
    for (std::string_view piece : split(path, '/')) out += "/" + url_encode(piece);
    return out;
}

HttpResponse busy(std::string_view why) {
    HttpResponse response = HttpResponse::text(503, str_cat(why, "\n"));
    response.headers.add("Retry-After", "10");
    return response;
}

HttpClientOptions client_options(const StorageProxyConfig& config) {
    HttpClientOptions options;
    options.ca_pem = config.ca_pem;
    options.allow_http = config.prefix_url.starts_with("http://");
    return options;
}

std::string header_or_empty(const HttpClientResponse& response, std::string_view name) {
    return std::string(response.headers.get(name).value_or(""));
}

}  // namespace

StorageProxy::StorageProxy(Loop& loop, StorageProxyConfig config)
    : loop_(loop), config_(std::move(config)), client_(loop, client_options(config_)) {
    // What a crash left half done has no meta file.
    const Result<std::vector<std::string>> names = list_dir(config_.directory);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const bool orphan =
            name.find('-') != name.npos && !file_exists(meta_path(name.substr(0, name.find('-'))));
        if (orphan || name.ends_with(".part")) (void)remove_file(config_.directory + "/" + name);
    }
}

StorageProxy::~StorageProxy() {
    for (auto& [key, fetch] : fetches_)
        for (Fetch::Waiter& waiter : fetch->waiters) loop_.cancel(waiter.timer);
}

std::string StorageProxy::meta_path(const std::string& key) const {
    return config_.directory + "/" + key + ".meta";
}

std::optional<StorageProxy::Entry> StorageProxy::load(const std::string& key,
                                                      const std::string& path) const {
    const Result<std::string> text = read_file(meta_path(key), 16 * 1024);
    if (!text) return std::nullopt;
    const Result<json::Document> document = json::parse(*text);
    if (!document) return std::nullopt;
    const json::Value root = document->root();
    Entry entry;
    entry.body = root["body"].string_or("");
    entry.size = uint64_t(root["size"].as_int().value_or(-1));
    entry.sha256 = root["sha256"].string_or("");
    entry.etag = root["etag"].string_or("");
    entry.modified = root["modified"].string_or("");
    entry.type = root["type"].string_or("application/octet-stream");
    entry.fetched = root["fetched"].as_int().value_or(0);
    if (root["path"].string_or("") != path || !is_plain_name(entry.body)) return std::nullopt;
    struct stat status;
    if (stat((config_.directory + "/" + entry.body).c_str(), &status) != 0 ||
        uint64_t(status.st_size) != entry.size)
        return std::nullopt;
    return entry;
}

Status StorageProxy::save(const std::string& key, const std::string& path, const Entry& entry) {
    json::Writer writer;
    writer.begin_object().field("path", path).field("body", entry.body);
    writer.field("size", int64_t(entry.size)).field("sha256", entry.sha256);
    writer.field("etag", entry.etag).field("modified", entry.modified).field("type", entry.type);
    writer.field("fetched", entry.fetched).end_object();
    return write_file_atomic(meta_path(key), writer.text());
}

HttpResponse StorageProxy::answer(const HttpRequest& request, const Entry& entry) const {
    const std::string path = config_.directory + "/" + entry.body;
    Result<UniqueFd> file = open_file(path, O_RDONLY | O_NOFOLLOW);
    if (!file) return HttpResponse::text(502, "the cached copy cannot be read\n");
    (void)futimens(file->get(), nullptr);  // least recently used goes first
    return serve_file(request, std::move(*file), {entry.sha256, WallTime(), entry.type});
}

void StorageProxy::serve(HttpRequest&& request, const std::string& path, HttpResponder responder) {
    const std::string key = sha256_hex(path);
    std::optional<Entry> entry = load(key, path);
    const int64_t now = unix_seconds(loop_.clock().wall());
    if (entry && now >= entry->fetched && now < entry->fetched + config_.fresh.count()) {
        ++stats_.hits;
        return std::move(responder).reply(answer(request, *entry));
    }
    if (!fetches_.contains(key)) {
        if (fetches_.size() >= config_.max_fetches)
            return std::move(responder).reply(busy("too many downloads from upstream at once"));
        auto fetch = std::make_unique<Fetch>();
        fetch->path = path;
        fetch->old = std::move(entry);
        fetches_.emplace(key, std::move(fetch));
        start(key, path);
    }
    const auto found = fetches_.find(key);
    if (found == fetches_.end())
        return std::move(responder).reply(
            HttpResponse::text(502, "cannot keep what upstream sends\n"));
    const uint64_t number = next_waiter_++;
    const Loop::TimerId timer =
        loop_.after(config_.patience, [this, key, number] { give_up_waiting(key, number); });
    found->second->waiters.push_back({number, std::move(request), std::move(responder), timer});
}

void StorageProxy::give_up_waiting(const std::string& key, uint64_t number) {
    const auto found = fetches_.find(key);
    if (found == fetches_.end()) return;
    auto& waiters = found->second->waiters;
    const auto waiter = std::ranges::find(waiters, number, &Fetch::Waiter::number);
    if (waiter == waiters.end()) return;
    HttpResponder responder = std::move(waiter->responder);
    waiters.erase(waiter);
    std::move(responder).reply(busy("the download from upstream goes on; ask again"));
}

void StorageProxy::start(const std::string& key, const std::string& path) {
    Fetch& fetch = *fetches_[key];
    fetch.file_path = config_.directory + "/" + key + ".part";
    Status made = make_dirs(config_.directory);
    Result<UniqueFd> file = open_file(fetch.file_path, O_RDWR | O_CREAT | O_TRUNC);
    if (!made || !file) {
        log_error("bootd", "storage cache",
                  {{"error", made ? file.error().message() : made.error().message()}});
        fetches_.erase(key);
        return;
    }
    fetch.file = std::move(*file);
    HttpClientRequest request;
    request.url = config_.prefix_url + encoded_path(path);
    request.total_timeout = Millis(3600'000);
    if (fetch.old && !fetch.old->etag.empty())
        request.headers.add("If-None-Match", fetch.old->etag);
    else if (fetch.old && !fetch.old->modified.empty())
        request.headers.add("If-Modified-Since", fetch.old->modified);
    request.sink = [this, &fetch](std::string_view data) -> Status {
        fetch.size += data.size();
        if (fetch.size > config_.max_object)
            return fail(Code::kTooLarge, "upstream's file is larger than the storage proxy keeps");
        fetch.hash.update(data);
        return write_all(fetch.file.get(), data);
    };
    client_.start(std::move(request), [this, key](Result<HttpClientResponse> result) {
        finished(key, std::move(result));
    });
}

Result<StorageProxy::Entry> StorageProxy::keep(const std::string& key, Fetch& fetch,
                                               const HttpClientResponse& response) {
    Entry entry;
    entry.sha256 = fetch.hash.finish_hex();
    entry.body = key + "-" + entry.sha256.substr(0, 16);
    entry.size = fetch.size;
    entry.etag = header_or_empty(response, "ETag");
    entry.modified = header_or_empty(response, "Last-Modified");
    entry.type = header_or_empty(response, "Content-Type");
    if (entry.type.empty()) entry.type = content_type_of(fetch.path);
    entry.fetched = unix_seconds(loop_.clock().wall());
    if (fsync(fetch.file.get()) != 0) return fail_errno("fsync " + fetch.file_path);
    const std::string body = config_.directory + "/" + entry.body;
    if (rename(fetch.file_path.c_str(), body.c_str()) != 0) return fail_errno("rename to " + body);
    TRY(save(key, fetch.path, entry));
    if (fetch.old && fetch.old->body != entry.body)
        (void)remove_file(config_.directory + "/" + fetch.old->body);
    return entry;
}

// What upstream said instead of the file, or why it could not be asked.
HttpResponse StorageProxy::relay(Fetch& fetch, const Result<HttpClientResponse>& result) const {
    if (!result) {
        const bool late = result.error().code() == Code::kTimeout;
        return HttpResponse::text(late ? 504 : 502,
                                  "upstream storage: " + result.error().message() + "\n");
    }
    char text[4096];
    const ssize_t count = pread(fetch.file.get(), text, sizeof text, 0);
    HttpResponse response =
        HttpResponse::text(result->status, std::string(text, size_t(std::max<ssize_t>(count, 0))));
    const std::string type = header_or_empty(*result, "Content-Type");
    if (!type.empty()) response.headers.set("Content-Type", type);
    return response;
}

void StorageProxy::finished(const std::string& key, Result<HttpClientResponse> result) {
    const auto found = fetches_.find(key);
    if (found == fetches_.end()) return;
    const std::unique_ptr<Fetch> fetch = std::move(found->second);
    fetches_.erase(found);
    std::optional<Entry> entry;
    if (result && result->status == 304 && fetch->old) {
        ++stats_.revalidated;
        entry = fetch->old;
        entry->fetched = unix_seconds(loop_.clock().wall());
        (void)save(key, fetch->path, *entry);
    } else if (result && result->status == 200) {
        Result<Entry> kept = keep(key, *fetch, *result);
        if (kept) {
            ++stats_.fetched;
            entry = std::move(*kept);
            evict();
        } else {
            log_error("bootd", "storage cache", {{"error", kept.error().message()}});
            result = fail(std::move(kept.error()));
        }
    } else if (fetch->old && (!result || result->status >= 500)) {
        ++stats_.stale;
        entry = fetch->old;
    }
    if (!entry) ++stats_.failed;
    for (Fetch::Waiter& waiter : fetch->waiters) {
        loop_.cancel(waiter.timer);
        std::move(waiter.responder)
            .reply(entry ? answer(waiter.request, *entry) : relay(*fetch, result));
    }
    (void)remove_file(fetch->file_path);  // gone already when it was kept
}

void StorageProxy::evict() {
    struct Kept {
        int64_t used;
        uint64_t size;
        std::string name;
    };
    const Result<std::vector<std::string>> names = list_dir(config_.directory);
    if (!names) return;
    std::vector<Kept> bodies;
    uint64_t total = 0;
    for (const std::string& name : *names) {
        struct stat status;
        const std::string path = config_.directory + "/" + name;
        if (name.find('-') == name.npos || stat(path.c_str(), &status) != 0) continue;
        bodies.push_back({status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec,
                          uint64_t(status.st_size), name});
        total += uint64_t(status.st_size);
    }
    std::ranges::sort(bodies, {}, &Kept::used);
    for (const Kept& body : bodies) {
        if (total <= config_.limit) return;
        (void)remove_file(meta_path(body.name.substr(0, body.name.find('-'))));
        (void)remove_file(config_.directory + "/" + body.name);
        total -= body.size;
    }
}

}  // namespace planetbox
