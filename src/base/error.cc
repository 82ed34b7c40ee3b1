#include "base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/result.h"

namespace planetbox {

std::string_view code_name(Code code) {
    switch (code) {
        case Code::kInvalid:
            return "invalid";
        case Code::kNotFound:
            return "not_found";
        case Code::kExists:
            return "exists";
        case Code::kDenied:
            return "denied";
        case Code::kExpired:
            return "expired";
        case Code::kConflict:
            return "conflict";
        case Code::kTooLarge:
            return "too_large";
        case Code::kTimeout:
            return "timeout";
        case Code::kUnavailable:
            return "unavailable";
        case Code::kUnsupported:
            return "unsupported";
        case Code::kIo:
            return "io";
        case Code::kProtocol:
            return "protocol";
    }
    return "unknown";
}

Error Error::context(std::string_view what) && {
    std::string joined;
    joined.reserve(what.size() + 2 + message_.size());
    joined.append(what).append(": ").append(message_);
    message_ = std::move(joined);
    return std::move(*this);
}

static Code code_of_errno(int err) {
    switch (err) {
        case ENOENT:
            return Code::kNotFound;
        case EEXIST:
            return Code::kExists;
        case EACCES:
        case EPERM:
            return Code::kDenied;
        case ETIMEDOUT:
            return Code::kTimeout;
        default:
            return Code::kIo;
    }
}

Error sys_error(std::string_view what) { return sys_error(what, errno); }

Error sys_error(std::string_view what, int err) {
    std::string message(what);
    message.append(": ").append(std::strerror(err));
    return Error(code_of_errno(err), std::move(message)).with_errno(err);
}

void check_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "planetbox: bug: %s:%d: CHECK(%s) failed\n", file, line, expression);
    std::abort();
}

}  // namespace planetbox
