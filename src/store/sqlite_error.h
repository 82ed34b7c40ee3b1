// SQLite's result codes in words that name the file and the remedy.  For store/ only.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;

namespace planetbox {

inline constexpr std::string_view kDamagedRemedy =
    "stop planetbox, keep a copy of the file, and restore the last backup";

// `code` may be an extended one.  Call it before anything else uses the connection: the message and
// the errno are those of its last call.
Error sqlite_error(sqlite3* db, int code, std::string_view path);

}  // namespace planetbox
