// The texts made from declared options: --help, the man page, words for completion.
#include <algorithm>

#include "base/strings.h"
#include "options_model.h"

namespace planetbox {
namespace {

constexpr size_t kWidth = 100;
constexpr size_t kIndent = 26;  // where the help of an option starts

// "--port,-p NUMBER", "HOST"
std::string heading(const OptionSpec& spec) {
    std::string out = join(spec.names, ", ");
    if (!spec.positional && !spec.type.empty()) out += " " + spec.type;
    if (spec.is_list) out += "...";
    return out;
}

std::string remarks(const OptionSpec& spec) {
    std::vector<std::string> parts;
    if (spec.required && !spec.positional) parts.push_back("required");
    if (!spec.default_value.empty()) parts.push_back("default: " + spec.default_value);
    if (!spec.env.empty()) parts.push_back("environment: " + spec.env);
    return parts.empty() ? "" : " (" + join(parts, "; ") + ")";
}

void append_wrapped(std::string& out, std::string_view text, size_t column, size_t indent) {
    bool first = true;
    for (std::string_view word : split_words(text)) {
        if (!first && column + 1 + word.size() > kWidth) {
            out.append("\n").append(indent, ' ');
            column = indent;
            first = true;
        }
        if (!first) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
        first = false;
    }
    out += '\n';
}

std::string_view trim_end(std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    return text;
}

void append_item(std::string& out, std::string_view head, std::string_view text) {
    out.append("  ").append(head);
    size_t column = 2 + head.size();
    if (column + 2 > kIndent) {
        out += '\n';
        column = 0;
    }
    out.append(kIndent - column, ' ');
    append_wrapped(out, text, kIndent, kIndent);
}

std::string synopsis(const CommandSpec& command) {
    std::string out = "planetbox " + command.path;
    const bool options = std::any_of(command.options.begin(), command.options.end(),
                                     [](const auto& o) { return !o->positional; });
    if (options || command.config_file) out += " [OPTION]...";
    for (const auto& spec : command.options) {
        if (!spec->positional) continue;
        const std::string name = spec->names[0] + (spec->is_list ? "..." : "");
        out += spec->required ? " " + name : " [" + name + "]";
    }
    if (!command.sub_specs.empty()) out += command.sub_optional ? " [COMMAND]" : " COMMAND";
    return out;
}

template <typename Visit>
void each_shown(const CommandSpec& command, bool positional, Visit visit) {
    for (const auto& spec : command.options)
        if (!spec->hidden && spec->positional == positional) visit(*spec);
}

// In roff a backslash, a leading dot or quote and a plain dash mean something else.
std::string roff(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else
            out += c;
    }
    if (out.starts_with(".") || out.starts_with("'")) out.insert(0, "\\&");
    return out;
}

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'a' && c <= 'z') c = char(c - 32);
    return out;
}

// Paragraphs are filled; indented lines keep their shape.
void append_roff_text(std::string& out, std::string_view text) {
    bool literal = false;
    for (std::string_view line : split(text, '\n')) {
        const bool indented = line.starts_with("    ");
        if (indented && !literal) out += ".nf\n";
        if (!indented && literal) out += ".fi\n";
        literal = indented;
        if (trim(line).empty())
            out += ".PP\n";
        else
            out += roff(line) + "\n";
    }
    if (literal) out += ".fi\n";
}

void append_roff_item(std::string& out, std::string_view head, std::string_view text) {
    out.append(".TP\n.B ").append(roff(head)).append("\n").append(roff(text)).append("\n");
}

void append_roff_options(std::string& out, const CommandSpec& command) {
    const auto item = [&](const OptionSpec& spec) {
        append_roff_item(out, heading(spec), spec.help + remarks(spec));
    };
    each_shown(command, true, item);
    each_shown(command, false, item);
    if (command.config_file)
        append_roff_item(out, "--config FILE", "read options from FILE, one 'name = value' a line");
}

void append_roff_subs(std::string& out, const CommandSpec& command) {
    for (const CommandSpec* sub : command.sub_specs) {
        out += ".SS " + roff(synopsis(*sub)) + "\n";
        append_roff_text(out, sub->about);
        append_roff_options(out, *sub);
        append_roff_subs(out, *sub);
    }
}

}  // namespace

std::string help_text(const CommandSpec& command) {
    std::string out = "Usage: " + synopsis(command) + "\n\n";
    for (std::string_view line : split(trim_end(command.about), '\n')) {
        if (line.size() > kWidth && !line.starts_with(' '))
            append_wrapped(out, line, 0, 0);
        else
            out.append(line).append("\n");
    }
    bool any = false;
    each_shown(command, true, [&](const OptionSpec& spec) {
        if (!any) out += "\nArguments:\n";
        any = true;
        append_item(out, heading(spec), spec.help + remarks(spec));
    });
    if (!command.sub_specs.empty()) {
        out += "\nCommands:\n";
        for (const CommandSpec* sub : command.sub_specs)
            append_item(out, sub->name, sub->summary());
    }
    out += "\nOptions:\n";
    each_shown(command, false, [&](const OptionSpec& spec) {
        append_item(out, heading(spec), spec.help + remarks(spec));
    });
    if (command.config_file)
        append_item(out, "--config FILE", "read options from FILE, one 'name = value' a line");
    append_item(out, "--help", "print this and exit");
    if (!command.sub_specs.empty())
        out += "\n'planetbox " + command.path + " COMMAND --help' explains one.\n";
    return out;
}

std::string man_page(const CommandSpec& command) {
    std::string out = ".TH " + upper(command.name) + " 8 \"\" planetbox\n.SH NAME\n";
    std::string summary(command.summary());
    if (summary.ends_with('.')) summary.pop_back();
    out += roff(command.name) + " \\- " + roff(summary) + "\n.SH SYNOPSIS\n.B " +
           roff(synopsis(command)) + "\n.SH DESCRIPTION\n";
    append_roff_text(out, command.about);
    out += ".SH OPTIONS\n";
    append_roff_options(out, command);
    append_roff_item(out, "--help", "print a summary and exit");
    if (!command.sub_specs.empty()) {
        out += ".SH COMMANDS\n";
        append_roff_subs(out, command);
    }
    out +=
        ".SH EXIT STATUS\n0 when all went well, 1 when it could not be done, 2 for a wrong "
        "command line.\n.SH SEE ALSO\n.BR planetbox (8)\n";
    return out;
}

std::string completion_words(const CommandSpec& command) {
    std::string out;
    for (const CommandSpec* sub : command.sub_specs) out += sub->name + "\n";
    each_shown(command, false, [&](const OptionSpec& spec) {
        for (const std::string& name : spec.names)
            if (name.starts_with("--")) out += name + "\n";
    });
    if (command.config_file) out += "--config\n";
    return out + "--help\n";
}

}  // namespace planetbox
