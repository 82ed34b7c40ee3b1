#include "stage/download.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "sys/files.h"

namespace planetbox {

Code code_of_status(int status) {
    if (status == 404 || status == 410) return Code::kNotFound;
    if (status == 401 || status == 403) return Code::kDenied;
    if (status >= 500 || status == 429 || status == 408) return Code::kUnavailable;
    return Code::kProtocol;
}

Millis with_jitter(Millis time) {
    uint32_t random = 0;
    std::memcpy(&random, random_bytes(sizeof random).data(), sizeof random);
    double factor = 0.75 + 0.5 * (static_cast<double>(random) / 4294967296.0);
    return Millis(static_cast<int64_t>(static_cast<double>(time.count()) * factor));
}

namespace {

// What one try came to.
enum class Step { kDone, kAgain, kFromStart };

class Download {
public:
    Download(const DownloadTools& tools, const DownloadLimits& limits, const std::string& url,
             int fd)
        : tools_(tools), limits_(limits), url_(url), fd_(fd) {}

    Result<Downloaded> run(std::string_view sha256);

private:
    Result<Downloaded> to_the_end();
    Result<Step> try_once();
    Status on_head(const HttpClientResponse& head);
    Status take(std::string_view piece);
    Status restart();
    bool worth_another_try(const Error& error) const;

    const DownloadTools& tools_;
    const DownloadLimits& limits_;
    const std::string& url_;
    int fd_;
    Sha256 hash_;
    uint64_t size_ = 0;   // bytes written and hashed
    uint64_t total_ = 0;  // 0: not known
    std::string etag_;
    bool promised_ = false;  // the hash will tell in the end whether joined parts fit
    bool resumed_ = false;
    bool not_resumable_ = false;  // this try met a server that sends all or something else
    std::string problem_;
};

Status Download::restart() {
    if (::ftruncate(fd_, 0) < 0) return fail_errno("ftruncate");
    if (::lseek(fd_, 0, SEEK_SET) < 0) return fail_errno("lseek");
    hash_.reset();
    size_ = total_ = 0;
    etag_.clear();
    resumed_ = false;
    return {};
}

// A weak tag does not promise the same bytes.
std::string strong_etag(const HttpHeaders& headers) {
    std::string_view etag = headers.get("ETag").value_or("");
    return etag.starts_with("W/") ? std::string() : std::string(etag);
}

// "bytes 500-999/1000": does it begin where it should?
bool range_begins_at(const HttpHeaders& headers, uint64_t start) {
    std::string_view range = headers.get("Content-Range").value_or("");
    return range.starts_with(strf("bytes %llu-", static_cast<unsigned long long>(start)));
}

Status Download::on_head(const HttpClientResponse& head) {
    if (head.status < 200 || head.status >= 300) return {};
    std::string etag = strong_etag(head.headers);
    const bool other_file = !etag_.empty() && etag != etag_;
    if (size_ > 0 && (head.status != 206 || other_file || !range_begins_at(head.headers, size_))) {
        not_resumable_ = true;
        return fail(Code::kConflict, "the server does not resume this file");
    }
    etag_ = std::move(etag);
    if (auto length = parse_uint(head.headers.get("Content-Length").value_or("")))
        total_ = size_ + *length;
    return {};
}

Status Download::take(std::string_view piece) {
    if (size_ + piece.size() > limits_.max_bytes)
        return fail(Code::kTooLarge, strf("the file is longer than %llu bytes",
                                          static_cast<unsigned long long>(limits_.max_bytes)));
    TRY(write_all(fd_, piece));
    hash_.update(piece);
    size_ += piece.size();
    if (tools_.progress) tools_.progress(size_, total_);
    return {};
}

bool Download::worth_another_try(const Error& error) const {
    switch (error.code()) {
        case Code::kUnavailable:
        case Code::kTimeout:
        case Code::kProtocol:
            return true;
        default:
            return false;
    }
}

Result<Step> Download::try_once() {
    if (size_ > 0 && !promised_ && etag_.empty()) TRY(restart());
    HttpClientRequest request;
    request.url = url_;
    request.resume_from = size_;
    request.total_timeout = limits_.total;
    if (size_ > 0 && !etag_.empty()) request.headers.add("If-Range", etag_);
    if (size_ > 0) resumed_ = true;
    request.on_head = [this](const HttpClientResponse& head) { return on_head(head); };
    request.sink = [this](std::string_view piece) { return take(piece); };
    not_resumable_ = false;
    Result<HttpClientResponse> answer = tools_.fetch(std::move(request));
    if (!answer) {
        problem_ = answer.error().message();
        if (not_resumable_ || answer.error().code() == Code::kConflict) return Step::kFromStart;
        if (!worth_another_try(answer.error())) return std::unexpected(std::move(answer.error()));
        return Step::kAgain;
    }
    if (answer->status == 200 || answer->status == 206) return Step::kDone;
    if (answer->status == 416 && resumed_) return Step::kFromStart;
    problem_ = "server returned " + answer->status_line;
    Code code = code_of_status(answer->status);
    if (code == Code::kUnavailable) return Step::kAgain;
    return fail(code, problem_);
}

Result<Downloaded> Download::to_the_end() {
    const MonoTime deadline = tools_.clock.mono() + limits_.total;
    Millis pause = limits_.first_pause;
    int fruitless = 0, restarts = 0;
    for (;;) {
        const uint64_t before = size_;
        Step step = TRY(try_once());
        if (step == Step::kDone) return Downloaded{hash_.finish_hex(), size_};
        // Starting again loses what had arrived: that may happen only so often, too.
        if (step == Step::kFromStart) {
            ++restarts;
            TRY(restart());
        } else if (size_ > before) {
            fruitless = 0;
            pause = limits_.first_pause;
        } else {
            ++fruitless;
        }
        if (fruitless >= limits_.fruitless_tries || restarts >= limits_.fruitless_tries)
            return fail(Code::kUnavailable, problem_);
        if (tools_.clock.mono() + pause >= deadline)
            return fail(Code::kTimeout,
                        str_cat("not within ", human_duration(limits_.total), ": ", problem_));
        Millis wait = with_jitter(pause);
        if (tools_.say)
            tools_.say(str_cat(problem_, "; trying again in ", human_duration(wait), " from ",
                               human_bytes(size_)));
        TRY(tools_.pause(wait));
        pause = std::min(pause * 2, limits_.longest_pause);
    }
}

Result<Downloaded> Download::run(std::string_view sha256) {
    promised_ = !sha256.empty();
    Downloaded file = TRY(to_the_end());
    if (sha256.empty() || iequals_ascii(file.sha256, sha256)) return file;
    if (resumed_) {
        // The parts may have come from two versions of the file.
        if (tools_.say) tools_.say("the joined parts are not the promised file; loading all of it");
        TRY(restart());
        file = TRY(to_the_end());
        if (iequals_ascii(file.sha256, sha256)) return file;
    }
    return fail(Code::kProtocol, "checksum mismatch");
}

}  // namespace

Result<Downloaded> download_file(const DownloadTools& tools, const DownloadLimits& limits,
                                 const std::string& url, std::string_view sha256, int fd) {
    return Download(tools, limits, url, fd).run(sha256);
}

}  // namespace planetbox
