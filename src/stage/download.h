// One file from the net to the disk, however often the connection breaks.
//
// What has arrived is kept and the rest asked for (Range), after a pause that doubles, with jitter,
// so that a thousand nodes do not return in the same second.  A server that does not resume, or
// that has another file by now (ETag), is asked for all of it.  The hash is made of the bytes as
// they are written.  Blocks through the functions that it is given.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"

namespace planetbox {

struct DownloadLimits {
    Millis total{2 * 3600'000};  // epoxy_client's limit for a file
    Millis first_pause{500};
    Millis longest_pause{30'000};
    int fruitless_tries = 6;  // in a row that bring no byte: about 20 s
    uint64_t max_bytes = 16ull << 30;
};

struct DownloadTools {
    std::function<Result<HttpClientResponse>(HttpClientRequest)> fetch;
    std::function<Status(Millis)> pause;               // its error ends the download
    std::function<void(uint64_t, uint64_t)> progress;  // done, total or 0
    std::function<void(const std::string&)> say;       // why it tries again
    const Clock& clock;
};

struct Downloaded {
    std::string sha256;  // hex
    uint64_t size = 0;
};

// Writes to `fd`, an empty file.  `sha256`: 64 hex digits, or empty when nothing was promised.
// Errors: "checksum mismatch" (kProtocol), "server returned 404 Not Found" (kNotFound; other
// statuses kDenied, kUnavailable, kProtocol), and what fetch says.
Result<Downloaded> download_file(const DownloadTools& tools, const DownloadLimits& limits,
                                 const std::string& url, std::string_view sha256, int fd);

// The code for an HTTP status that is no success.
Code code_of_status(int status);

// `time` up to a quarter more or less.
Millis with_jitter(Millis time);

}  // namespace planetbox
