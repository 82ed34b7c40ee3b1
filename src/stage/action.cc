#include "stage/action.h"

#include "base/json.h"
#include "base/strings.h"
#include "stage/go_text.h"

namespace planetbox {

namespace {

constexpr size_t kMaxMembers = 256;
constexpr size_t kMaxCommands = 1000;

// Go matches the names of a struct's members without regard to case; the last one counts.
json::Value member(json::Value object, std::string_view name) {
    json::Value found;
    for (const auto& [key, value] : object.members())
        if (iequals_ascii(key, name)) found = value;
    return found;
}

std::unexpected<Error> wrong_type(std::string_view where, std::string_view want, json::Value got) {
    return fail(Code::kInvalid,
                str_cat("action: ", where, " must be ", want, ", not ", got.type_name()));
}

bool absent(json::Value value) { return !value.exists() || value.is_null(); }

// {"name": "text"}; null stands for "".
template <typename Take>
Status read_texts(json::Value object, std::string_view where, Take take) {
    if (absent(object)) return {};
    if (!object.is_object()) return wrong_type(where, "an object", object);
    if (object.size() > kMaxMembers)
        return fail(Code::kTooLarge,
                    strf("action: %.*s has %zu members; at most %zu are taken",
                         static_cast<int>(where.size()), where.data(), object.size(), kMaxMembers));
    for (const auto& [name, value] : object.members()) {
        if (!value.is_string() && !value.is_null())
            return wrong_type(str_cat(where, ".", printable(name, 60)), "a string", value);
        take(name, value.string_or(""));
    }
    return {};
}

Status read_vars(json::Value vars, Action& action) {
    if (absent(vars)) return {};
    if (!vars.is_object()) return wrong_type("v1.vars", "an object", vars);
    if (vars.size() > kMaxMembers) return fail(Code::kTooLarge, "action: too many v1.vars");
    for (const auto& [name, value] : vars.members()) {
        std::vector<std::string> pieces;
        if (value.is_array())
            for (json::Value item : value.items()) pieces.push_back(go_print(item));
        else if (value.is_string())
            pieces.emplace_back(*value.as_string());
        else
            action.bad_var = str_cat("Unsupported type: ", go_describe(value));
        action.vars.insert_or_assign(std::string(name), join(pieces, " "));
    }
    return {};
}

Status read_files(json::Value files, Action& action) {
    if (absent(files)) return {};
    if (!files.is_object()) return wrong_type("v1.files", "an object", files);
    if (files.size() > kMaxMembers) return fail(Code::kTooLarge, "action: too many v1.files");
    for (const auto& [name, spec] : files.members()) {
        auto& file = action.files[std::string(name)];
        file.clear();
        TRY(read_texts(spec, str_cat("v1.files.", printable(name, 60)),
                       [&](std::string_view key, std::string_view value) {
                           file.insert_or_assign(std::string(key), std::string(value));
                       }));
    }
    return {};
}

Status read_commands(json::Value commands, Action& action) {
    if (absent(commands)) return {};
    if (!commands.is_array()) return wrong_type("v1.commands", "an array", commands);
    if (commands.size() > kMaxCommands)
        return fail(Code::kTooLarge, strf("action: %zu v1.commands; at most %zu are taken",
                                          commands.size(), kMaxCommands));
    for (json::Value command : commands.items()) {
        if (command.is_string()) {
            action.commands.emplace_back(std::string(*command.as_string()));
        } else if (command.is_array()) {
            std::vector<std::string> words;
            for (json::Value word : command.items()) words.push_back(go_print(word));
            action.commands.emplace_back(std::move(words));
        } else {
            ++action.ignored_commands;
        }
    }
    return {};
}

}  // namespace

Result<Action> parse_action(std::string_view text) {
    if (trim(text).empty()) return fail(Code::kInvalid, "action: the answer is empty");
    json::Document document = TRY_CONTEXT(json::parse(text, kMaxActionText), "action");
    json::Value root = document.root();
    if (!root.is_object()) return wrong_type("the text", "a JSON object", root);
    Action action;
    TRY(read_texts(member(root, "kargs"), "kargs",
                   [&](std::string_view name, std::string_view value) {
                       action.kargs.insert_or_assign(std::string(name), std::string(value));
                   }));
    json::Value v1 = member(root, "v1");
    if (absent(v1))
        return fail(Code::kInvalid, "action: there is no \"v1\", so there is nothing to do");
    if (!v1.is_object()) return wrong_type("v1", "an object", v1);

    json::Value chain = member(v1, "chain");
    if (!absent(chain) && !chain.is_string()) return wrong_type("v1.chain", "a string", chain);
    action.chain = chain.string_or("");
    TRY(read_vars(member(v1, "vars"), action));
    TRY(read_files(member(v1, "files"), action));
    TRY(read_texts(member(v1, "env"), "v1.env", [&](std::string_view name, std::string_view value) {
        action.env.emplace_back(name, value);
    }));
    TRY(read_commands(member(v1, "commands"), action));
    return action;
}

}  // namespace planetbox
