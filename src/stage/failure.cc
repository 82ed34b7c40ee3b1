#include "stage/failure.h"

#include "base/strings.h"
#include "net/http_client.h"
#include "wire/failure_code.h"

namespace planetbox {

namespace {

bool contains(const Error& error, std::string_view word) {
    return error.message().find(word) != std::string::npos;
}

// A connection that breaks in a download is a download's trouble; before any answer it is the
// server's.
std::string_view code_of_transport(Phase phase, const Error& error) {
    const std::string_view broken = phase == Phase::kDownload ? kFailDownload : kFailConnect;
    switch (http_failure(error)) {
        case HttpFailure::kDns:
            return kFailDns;
        case HttpFailure::kConnect:
            return kFailConnect;
        case HttpFailure::kUntrusted:
            return kFailUntrusted;
        case HttpFailure::kDates:
            return kFailDates;
        case HttpFailure::kTls:
            return kFailUntrusted;
        case HttpFailure::kTransfer:
            return broken;
        case HttpFailure::kOther:
            break;
    }
    if (error.code() == Code::kUnavailable || error.code() == Code::kTimeout) return broken;
    if (error.code() == Code::kIo) return kFailInternal;
    return phase == Phase::kDownload ? kFailDownload : kFailServer;
}

}  // namespace

Failure classify(Phase phase, const Error& error) {
    Failure failure{.message = error.message(), .code = kFailInternal};
    switch (phase) {
        case Phase::kReadAction:
            failure.code = kFailAction;
            break;
        case Phase::kCommand:
            failure.code = kFailCommand;
            break;
        case Phase::kKexec:
            failure.code = contains(error, "checksum mismatch") ? kFailChecksum : kFailKexec;
            break;
        case Phase::kDownload:
            if (contains(error, "checksum mismatch")) {
                failure.code = kFailChecksum;
                break;
            }
            if (contains(error, "server returned")) {
                failure.code = kFailDownload;
                break;
            }
            [[fallthrough]];
        case Phase::kAskStage:
        case Phase::kFollowChain:
            failure.code = code_of_transport(phase, error);
            break;
    }
    return failure;
}

Failure classify_status(Phase phase, int status, std::string message) {
    Failure failure{.message = std::move(message), .code = kFailServer};
    if (status == 401 || status == 403) failure.code = kFailForbidden;
    if (status == 404) failure.code = phase == Phase::kAskStage ? kFailUnknownHost : kFailDownload;
    failure.refused = status == 403 || status == 409 || status == 410;
    return failure;
}

std::string explain_failure(std::string_view code) {
    std::optional<FailureCode> known = find_failure_code(code);
    if (!known) return std::string(code);
    return str_cat(known->code, ": ", known->sentence, " ", known->remedy);
}

}  // namespace planetbox
