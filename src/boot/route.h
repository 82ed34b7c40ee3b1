// Which handler a path of bootd belongs to.  A parser of bytes from outside: pure, never fails,
// fuzzed.
#pragma once

#include <string>
#include <string_view>

namespace planetbox {

struct BootRoute {
    enum class Kind {
        kNone,
        kHealth,
        kStage1Ipxe,
        kStage1Json,
        kStage2,
        kStage3,
        kReport,
        kExtension,
        kStorage
    };
    Kind kind = Kind::kNone;
    std::string_view hostname;   // as sent
    std::string_view id;         // session id, not checked
    std::string_view operation;  // of an extension; may be empty
    std::string_view path;       // of storage, without a leading slash; may be empty
};

// `path` is decoded, before '?'; the route's views point into it.
BootRoute parse_boot_route(std::string_view path);
// "stage1_ipxe", "storage", …, "none": for logs and metrics, which never hold a path.
std::string_view route_name(BootRoute::Kind kind);
// What Allow says: "GET, HEAD, POST".
std::string_view route_methods(BootRoute::Kind kind);
bool route_allows(BootRoute::Kind kind, std::string_view method);

// True for "a/b/c" of plain names: no empty piece, no "." or "..", no control character, no
// backslash.
bool is_storage_path(std::string_view path);

}  // namespace planetbox
