// Any bytes, cut anywhere, as what a client sends: must not crash, must not depend on the cut, and
// what is accepted must keep the promises that handlers rely on.
#include <cstdlib>
#include <string_view>

#include "net/http_parser.h"

using namespace planetbox;

static void require(bool condition) {
    if (!condition) abort();
}

static constexpr size_t kHead = 512, kBody = 64;

static size_t feed_all(HttpParser& parser, std::string_view data, size_t step) {
    size_t used = 0;
    while (used < data.size()) {
        size_t count = parser.feed(data.substr(used, step));
        used += count;
        if (count == 0 || parser.state() >= HttpParser::State::kComplete) break;
    }
    return used;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    std::string_view data(reinterpret_cast<const char*>(bytes), size);
    auto limit = [](const HttpRequest&) { return kBody; };
    while (!data.empty()) {
        HttpParser whole(kHead, limit), pieces(kHead, limit);
        size_t used = feed_all(whole, data, data.size());
        size_t used_in_pieces = feed_all(pieces, data, 1);
        require(whole.state() == pieces.state());
        if (whole.state() != HttpParser::State::kComplete) return 0;
        require(used == used_in_pieces);
        const HttpRequest& request = whole.request();
        require(request.body == pieces.request().body && request.body.size() <= kBody);
        require(request.path == pieces.request().path);
        require(request.path.find('\0') == std::string::npos);
        require(request.path.starts_with('/') || request.path == "*");
        require(request.path.find("/../") == std::string::npos && !request.path.ends_with("/.."));
        require(!request.headers.get("transfer-encoding"));
        (void)parse_form_body(request);
        data.remove_prefix(used);
    }
    return 0;
}
