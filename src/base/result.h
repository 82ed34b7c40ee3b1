// Result<T>: a value or an Error.  Nothing in planetbox throws; this is how failure travels.
//
//     Result<Config> load(const std::string& path) {
//         std::string text = TRY(read_file(path, 1 << 20));
//         if (text.empty()) return fail(Code::kInvalid, path + ": is empty; see bootd(8)");
//         return parse(text);
//     }
//     ...
//     Result<Config> config = load(path);
//     if (!config) return std::unexpected(std::move(config.error()).context("start bootd"));
//
// TRY(expr) yields the value or returns the error from the enclosing function.
// TRY_CONTEXT(expr, "what") does the same with a context in front.
#pragma once

#include <expected>
#include <utility>

#include "base/error.h"

namespace planetbox {

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(Code code, std::string message) {
    return std::unexpected(Error(code, std::move(message)));
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }
inline std::unexpected<Error> fail_errno(std::string_view what) {
    return std::unexpected(sys_error(what));
}

// Aborts with file and line: for bugs, never for input.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace planetbox

// doctest has a CHECK of its own, which is what a test means.
#ifndef DOCTEST_LIBRARY_INCLUDED
#define CHECK(expression) \
    ((expression) ? (void)0 : ::planetbox::check_failed(#expression, __FILE__, __LINE__))
#endif

#define TRY(expression)                                             \
    ({                                                              \
        auto try_result_ = (expression);                            \
        if (!try_result_) [[unlikely]]                              \
            return std::unexpected(std::move(try_result_).error()); \
        std::move(try_result_).value();                             \
    })

#define TRY_CONTEXT(expression, what)                                             \
    ({                                                                            \
        auto try_result_ = (expression);                                          \
        if (!try_result_) [[unlikely]]                                            \
            return std::unexpected(std::move(try_result_).error().context(what)); \
        std::move(try_result_).value();                                           \
    })
