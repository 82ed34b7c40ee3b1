// Whatever parses must dump to text that parses to the same dump, and walking it must be safe.
#include <cstdlib>

#include "base/json.h"

using namespace planetbox;

static void walk(json::Value value, json::Writer& writer) {
    if (value.is_object()) {
        writer.begin_object();
        for (auto [name, member] : value.members()) {
            writer.key(name);
            walk(member, writer);
        }
        writer.end_object();
    } else if (value.is_array()) {
        writer.begin_array();
        for (json::Value item : value.items()) walk(item, writer);
        writer.end_array();
    } else if (auto text = value.as_string()) {
        writer.string(*text);
    } else if (auto whole = value.as_int()) {
        writer.number(*whole);
    } else if (auto real = value.as_double()) {
        writer.number(*real);
    } else if (auto truth = value.as_bool()) {
        writer.boolean(*truth);
    } else {
        writer.null();
    }
}

static std::string rewrite(std::string_view text, int indent) {
    auto document = json::parse(text, 1 << 20);
    if (!document) std::abort();
    json::Writer writer(indent);
    walk(document->root(), writer);
    return writer.take();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto document = json::parse(text, 1 << 16);
    if (!document) return 0;
    std::string dump = document->root().dump();
    auto again = json::parse(dump, 1 << 20);
    if (!again || again->root().dump() != dump) std::abort();
    // Our own writer's text, compact or indented, reads back to the same.
    std::string compact = rewrite(text, 0);
    if (rewrite(rewrite(text, 2), 0) != compact) std::abort();
    return 0;
}
