// Forms: the first line is the Content-Type, the rest the body.
#include "base/strings.h"
#include "net/http_message.h"

using namespace planetbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    std::string_view data(reinterpret_cast<const char*>(bytes), size);
    auto parts = split_once(data, '\n');
    if (!parts) return 0;
    HttpRequest request;
    request.headers.add("Content-Type", std::string(parts->first));
    request.body = std::string(parts->second);
    auto fields = parse_form_body(request, 16);
    if (fields && fields->size() > 16) __builtin_trap();
    auto plain = parse_form(parts->second, 16);
    if (!plain) return 0;
    // What was read and is written again reads the same.
    std::string again;
    for (auto& [name, value] : *plain)
        again += str_cat(url_encode(name), "=", url_encode(value), "&");
    if (parse_form(again, 16).value() != *plain) __builtin_trap();
    return 0;
}
