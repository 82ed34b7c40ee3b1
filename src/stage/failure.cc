#include "stage/failure.h"

#include "base/strings.h"
#include "wire/failure_code.h"

namespace planetbox {

namespace {

bool contains(const Error& error, std::string_view word) {
    return error.message().find(word) != std::string::npos;
}

std::string_view code_of_transport(Phase phase, const Error& error) {
    switch (error.code()) {
        case Code::kDenied:
            return contains(error, "expired") || contains(error, "not valid yet") ||
                           contains(error, "not yet valid")
                       ? kFailDates
                       : kFailUntrusted;
        case Code::kUnavailable:
            return contains(error, "resolve")  ? kFailDns
                   : phase == Phase::kDownload ? kFailDownload
                                               : kFailConnect;
        case Code::kTimeout:
            return phase == Phase::kDownload ? kFailDownload : kFailConnect;
        case Code::kProtocol:
            return phase == Phase::kDownload ? kFailDownload : kFailServer;
        case Code::kInvalid:
        case Code::kTooLarge:
            return phase == Phase::kDownload ? kFailDownload : kFailAction;
        default:
            return kFailInternal;
    }
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
