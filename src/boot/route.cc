#include "boot/route.h"

#include <algorithm>
#include <iterator>

#include "base/strings.h"

namespace planetbox {
namespace {

using Kind = BootRoute::Kind;

constexpr std::string_view kBoot = "/v1/boot/";
constexpr std::string_view kStorage = "/v1/storage/";

struct KindRow {
    Kind kind;
    std::string_view name;
    std::string_view methods;
};
// By the number of the kind.  GET stage1.ipxe is ours: stock iPXE cannot POST.
constexpr KindRow kKinds[] = {
    {Kind::kNone, "none", ""},
    {Kind::kHealth, "health", "GET, HEAD"},
    {Kind::kStage1Ipxe, "stage1_ipxe", "GET, HEAD, POST"},
    {Kind::kStage1Json, "stage1_json", "POST"},
    {Kind::kStage2, "stage2", "POST"},
    {Kind::kStage3, "stage3", "POST"},
    {Kind::kReport, "report", "POST"},
    {Kind::kExtension, "extension", "POST"},
    {Kind::kStorage, "storage", "GET, HEAD"},
};

// "a/b" → "a", and text becomes "b"; without a slash all of it, and text becomes empty.
std::string_view take_piece(std::string_view* text) {
    const size_t slash = text->find('/');
    const std::string_view piece = text->substr(0, slash);
    *text = slash == text->npos ? std::string_view() : text->substr(slash + 1);
    return piece;
}

BootRoute host_route(std::string_view rest) {
    BootRoute route;
    const size_t pieces = size_t(std::ranges::count(rest, '/')) + 1;
    route.hostname = take_piece(&rest);
    if (route.hostname.empty()) return {};
    if (pieces == 2) {
        if (rest == "stage1.ipxe") route.kind = Kind::kStage1Ipxe;
        if (rest == "stage1.json") route.kind = Kind::kStage1Json;
        return route;
    }
    route.id = take_piece(&rest);
    if (route.id.empty()) return {};
    const std::string_view verb = take_piece(&rest);
    if (pieces == 3) {
        if (verb == "stage2") route.kind = Kind::kStage2;
        if (verb == "stage3") route.kind = Kind::kStage3;
        if (verb == "report") route.kind = Kind::kReport;
    } else if (pieces == 4 && verb == "extension") {
        route.kind = Kind::kExtension;
        route.operation = rest;
    }
    return route;
}

}  // namespace

BootRoute parse_boot_route(std::string_view path) {
    if (path == "/_ah/health") return {Kind::kHealth, {}, {}, {}, {}};
    if (path.starts_with(kStorage))
        return {Kind::kStorage, {}, {}, {}, path.substr(kStorage.size())};
    if (path.starts_with(kBoot)) return host_route(path.substr(kBoot.size()));
    return {};
}

std::string_view route_name(Kind kind) { return kKinds[size_t(kind)].name; }

std::string_view route_methods(Kind kind) { return kKinds[size_t(kind)].methods; }

bool route_allows(Kind kind, std::string_view method) {
    for (std::string_view allowed : split(route_methods(kind), ','))
        if (trim(allowed) == method) return true;
    return false;
}

bool is_storage_path(std::string_view path) {
    if (path.empty() || path.size() > 1024) return false;
    for (std::string_view piece : split(path, '/'))
        if (piece.empty() || piece == "." || piece == "..") return false;
    return std::ranges::all_of(path,
                               [](unsigned char c) { return c >= ' ' && c != 0x7f && c != '\\'; });
}

}  // namespace planetbox
