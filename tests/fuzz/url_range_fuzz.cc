// URLs, addresses, endpoints and byte ranges: small grammars, one target.
#include "net/address.h"
#include "net/http_message.h"

using namespace planetbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(bytes), size);
    if (auto url = parse_url(text))
        if (!url->path_and_query.starts_with('/') || (url->host.empty() && url->scheme != "file"))
            __builtin_trap();
    if (auto address = IpAddress::parse(text))
        if (IpAddress::parse(address->text()) != address) __builtin_trap();
    if (auto endpoint = parse_endpoint(text))
        if (parse_endpoint(endpoint->text())->text() != endpoint->text()) __builtin_trap();
    for (uint64_t total : {uint64_t{0}, uint64_t{1}, uint64_t{1000}, UINT64_MAX}) {
        auto range = parse_range(text, total);
        if (!range || !*range) continue;
        auto [offset, length] = **range;
        if (length == 0 || offset >= total || length > total - offset) __builtin_trap();
    }
    return 0;
}
