// Templates: no crash, a bounded result, and text without delimiters stays as it is.
#include "base/result.h"
#include "stage/go_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace planetbox;
    const Kargs kargs{{"a", "{{.vars.b}}"}, {"", "empty"}};
    const TemplateVars vars{{"b", "B"}};
    const TemplateFiles files{{"f", {{"name", "/tmp/f"}}}};
    std::string_view text(reinterpret_cast<const char*>(data), size);
    Result<std::string> out =
        expand_template(text, {.kargs = &kargs, .vars = &vars, .files = &files});
    if (out) CHECK(out->size() <= kMaxTemplateResult);
    if (text.find("{{") == std::string_view::npos && size <= kMaxTemplateResult)
        CHECK(out && *out == text);
    return 0;
}
