#include "stage/report.h"

#include "base/json.h"
#include "base/strings.h"
#include "stage/redact.h"

namespace planetbox {

namespace {

constexpr size_t kMaxConfig = 256 << 10;

template <typename Pairs>
void write_texts(json::Writer& writer, std::string_view name, const Pairs& pairs) {
    if (pairs.empty()) return;
    writer.key(name).begin_object();
    for (const auto& [key, value] : pairs) writer.field(key, redact(value));
    writer.end_object();
}

void write_commands(json::Writer& writer, const std::vector<ActionCommand>& commands) {
    if (commands.empty()) return;
    writer.key("commands").begin_array();
    for (const ActionCommand& command : commands) {
        if (const auto* text = std::get_if<std::string>(&command)) {
            writer.string(redact(*text));
            continue;
        }
        writer.begin_array();
        for (const std::string& word : std::get<std::vector<std::string>>(command))
            writer.string(redact(word));
        writer.end_array();
    }
    writer.end_array();
}

void write_action(json::Writer& writer, const Action& action) {
    writer.key("v1").begin_object();
    if (!action.chain.empty()) writer.field("chain", redact(action.chain));
    write_texts(writer, "vars", action.vars);
    if (!action.files.empty()) {
        writer.key("files").begin_object();
        for (const auto& [name, file] : action.files) write_texts(writer, name, file);
        writer.end_object();
    }
    write_texts(writer, "env", action.env);
    write_commands(writer, action.commands);
    writer.end_object();
}

}  // namespace

std::string Report::message() const {
    return success ? "success" : "error: " + redact(failure.message);
}

std::string debug_config(const Kargs& kargs, const Action* action) {
    json::Writer writer(4);
    writer.begin_object();
    write_texts(writer, "kargs", kargs);
    if (action) write_action(writer, *action);
    writer.end_object();
    if (writer.text().size() <= kMaxConfig || !action) return writer.take();
    return debug_config(kargs, nullptr);
}

FormFields report_fields(const Report& report, const Kargs& kargs, const Action* action) {
    FormFields fields{{"message", report.message()},
                      {"debug.config", debug_config(kargs, action)},
                      {"stage", report.stage},
                      {"uptime", strf("%lld", static_cast<long long>(report.uptime_seconds))}};
    if (!report.success) fields.emplace_back("code", report.failure.code);
    return fields;
}

std::string encode_form(const FormFields& fields) {
    std::string out;
    for (const auto& [name, value] : fields)
        out += str_cat(out.empty() ? "" : "&", url_encode(name), "=", url_encode(value));
    return out;
}

}  // namespace planetbox
