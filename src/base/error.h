// What went wrong, as a value.  Every fallible function of src/ returns Result<T> (result.h).
//
// An Error carries a code (what a caller may branch on), an errno where one exists, and a message
// for people.  context() prepends, so a message reads outermost first:
//     serve stage2: open state: /var/lib/planetbox/state.db: Permission denied
// Secrets never go into a message: messages are logged and shown.
#pragma once

#include <string>
#include <string_view>

namespace planetbox {

enum class Code {
    kInvalid,      // the input is wrong; the message names it and, where it can, the remedy
    kNotFound,     // what was asked for does not exist
    kExists,       // it exists already
    kDenied,       // the caller may not do this
    kExpired,      // it was right once
    kConflict,     // somebody else changed it first
    kTooLarge,     // over a limit; the message names the limit
    kTimeout,      // a deadline passed
    kUnavailable,  // try again later (network, peer, busy)
    kUnsupported,  // this machine, kernel or build cannot
    kIo,           // a system call failed; see sys_errno()
    kProtocol,     // a peer broke the rules
};

// Returns the lower-case word of the code, for logs, metrics labels and JSON ("not_found").
std::string_view code_name(Code code);

class [[nodiscard]] Error {
public:
    Error(Code code, std::string message) : message_(std::move(message)), code_(code) {}

    Code code() const { return code_; }
    int sys_errno() const { return errno_; }
    const std::string& message() const { return message_; }

    // Prepends "what: " to the message.
    Error context(std::string_view what) &&;
    Error with_errno(int value) && {
        errno_ = value;
        return std::move(*this);
    }
    // A number whose meaning the function that returned the error documents (net/http_client.h); 0
    // = none.
    int detail() const { return detail_; }
    Error with_detail(int value) && {
        detail_ = value;
        return std::move(*this);
    }

private:
    std::string message_;
    Code code_;
    int errno_ = 0;
    int detail_ = 0;
};

// An error from errno: the message is "what: strerror".  ENOENT becomes kNotFound, EEXIST kExists,
// EACCES and EPERM kDenied, ETIMEDOUT kTimeout, everything else kIo.
Error sys_error(std::string_view what);           // uses errno as it is now
Error sys_error(std::string_view what, int err);  // uses err

}  // namespace planetbox
