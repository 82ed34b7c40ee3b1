#include "net/file_response.h"

#include <sys/stat.h>

#include "base/strings.h"

namespace planetbox {

namespace {

std::string quoted(const std::string& etag) { return str_cat("\"", etag, "\""); }

// If-None-Match: "*" or a list; weak comparison, so a W/ in front does not matter.
bool etag_listed(std::string_view header, const std::string& etag) {
    if (trim(header) == "*") return true;
    if (etag.empty()) return false;
    for (std::string_view each : split(header, ',')) {
        each = trim(each);
        if (each.starts_with("W/")) each.remove_prefix(2);
        if (each == quoted(etag)) return true;
    }
    return false;
}

bool not_modified(const HttpRequest& request, const FileMeta& meta) {
    if (auto match = request.headers.get("if-none-match")) return etag_listed(*match, meta.etag);
    auto since = request.headers.get("if-modified-since");
    if (!since || meta.mtime == WallTime{}) return false;
    auto time = parse_http_date(*since);
    return time && unix_seconds(meta.mtime) <= unix_seconds(*time);
}

// Whether the Range may be served: If-Range must name this very version (strong comparison).
bool range_allowed(const HttpRequest& request, const FileMeta& meta) {
    auto condition = request.headers.get("if-range");
    if (!condition) return true;
    std::string_view value = trim(*condition);
    if (value.starts_with('"') || value.starts_with("W/"))
        return !meta.etag.empty() && value == quoted(meta.etag);
    auto time = parse_http_date(value);
    return time && meta.mtime != WallTime{} && unix_seconds(*time) == unix_seconds(meta.mtime);
}

void add_meta(HttpResponse& response, const FileMeta& meta) {
    if (!meta.etag.empty()) response.headers.add("ETag", quoted(meta.etag));
    if (meta.mtime != WallTime{}) response.headers.add("Last-Modified", http_date(meta.mtime));
    response.headers.add("Accept-Ranges", "bytes");
}

}  // namespace

HttpResponse serve_file(const HttpRequest& request, UniqueFd fd, const FileMeta& meta) {
    if (request.method != "GET" && request.method != "HEAD") {
        HttpResponse response = HttpResponse::text(405, "405 Method Not Allowed\n");
        response.headers.add("Allow", "GET, HEAD");
        return response;
    }
    struct stat info;
    if (fstat(fd.get(), &info) < 0 || !S_ISREG(info.st_mode))
        return HttpResponse::text(500, "500 Internal Server Error\n");
    auto size = static_cast<uint64_t>(info.st_size);
    HttpResponse response;
    add_meta(response, meta);
    if (not_modified(request, meta)) {
        response.status = 304;
        return response;
    }
    uint64_t offset = 0, length = size;
    auto header = request.headers.get("range");
    if (header && request.method == "GET" && range_allowed(request, meta)) {
        auto range = parse_range(*header, size);
        if (!range) {
            response = HttpResponse::text(416, "416 Requested Range Not Satisfiable\n");
            add_meta(response, meta);
            response.headers.add("Content-Range",
                                 strf("bytes */%ju", static_cast<uintmax_t>(size)));
            return response;
        }
        if (*range) {
            offset = (*range)->first;
            length = (*range)->second;
            response.status = 206;
            response.headers.add(
                "Content-Range",
                strf("bytes %ju-%ju/%ju", static_cast<uintmax_t>(offset),
                     static_cast<uintmax_t>(offset + length - 1), static_cast<uintmax_t>(size)));
        }
    }
    response.headers.add("Content-Type", meta.content_type);
    response.file = FileBody{std::move(fd), offset, length};
    return response;
}

}  // namespace planetbox
