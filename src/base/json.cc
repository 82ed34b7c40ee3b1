#include "base/json.h"

#include <yyjson.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/strings.h"

namespace planetbox::json {

static constexpr int kMaxDepth = 64;

static yyjson_val* cast(void* raw) { return static_cast<yyjson_val*>(raw); }

bool Value::is_null() const { return yyjson_is_null(cast(raw_)); }
bool Value::is_object() const { return yyjson_is_obj(cast(raw_)); }
bool Value::is_array() const { return yyjson_is_arr(cast(raw_)); }
bool Value::is_string() const { return yyjson_is_str(cast(raw_)); }
bool Value::is_number() const { return yyjson_is_num(cast(raw_)); }
bool Value::is_bool() const { return yyjson_is_bool(cast(raw_)); }

Value Value::operator[](std::string_view key) const {
    Value found;
    if (!is_object()) return found;
    yyjson_obj_iter iter = yyjson_obj_iter_with(cast(raw_));
    while (yyjson_val* name = yyjson_obj_iter_next(&iter))
        if (std::string_view(yyjson_get_str(name), yyjson_get_len(name)) == key)
            found = Value(yyjson_obj_iter_get_val(name));
    return found;
}

Value Value::at(size_t index) const { return Value(yyjson_arr_get(cast(raw_), index)); }

size_t Value::size() const {
    return is_array() ? yyjson_arr_size(cast(raw_)) : yyjson_obj_size(cast(raw_));
}

std::vector<Value> Value::items() const {
    std::vector<Value> out;
    if (!is_array()) return out;
    yyjson_arr_iter iter = yyjson_arr_iter_with(cast(raw_));
    while (yyjson_val* item = yyjson_arr_iter_next(&iter)) out.push_back(Value(item));
    return out;
}

std::vector<std::pair<std::string_view, Value>> Value::members() const {
    std::vector<std::pair<std::string_view, Value>> out;
    if (!is_object()) return out;
    yyjson_obj_iter iter = yyjson_obj_iter_with(cast(raw_));
    while (yyjson_val* name = yyjson_obj_iter_next(&iter))
        out.emplace_back(std::string_view(yyjson_get_str(name), yyjson_get_len(name)),
                         Value(yyjson_obj_iter_get_val(name)));
    return out;
}

std::optional<std::string_view> Value::as_string() const {
    if (!is_string()) return std::nullopt;
    return std::string_view(yyjson_get_str(cast(raw_)), yyjson_get_len(cast(raw_)));
}

std::optional<int64_t> Value::as_int() const {
    if (yyjson_is_sint(cast(raw_))) return yyjson_get_sint(cast(raw_));
    if (yyjson_is_uint(cast(raw_)) && yyjson_get_uint(cast(raw_)) <= INT64_MAX)
        return static_cast<int64_t>(yyjson_get_uint(cast(raw_)));
    return std::nullopt;
}

std::optional<double> Value::as_double() const {
    if (!is_number()) return std::nullopt;
    return yyjson_get_num(cast(raw_));
}

std::optional<bool> Value::as_bool() const {
    if (!is_bool()) return std::nullopt;
    return yyjson_get_bool(cast(raw_));
}

std::string_view Value::type_name() const {
    if (!raw_) return "nothing";
    switch (yyjson_get_type(cast(raw_))) {
        case YYJSON_TYPE_NULL:
            return "null";
        case YYJSON_TYPE_BOOL:
            return "bool";
        case YYJSON_TYPE_NUM:
            return "number";
        case YYJSON_TYPE_STR:
            return "string";
        case YYJSON_TYPE_ARR:
            return "array";
        case YYJSON_TYPE_OBJ:
            return "object";
        default:
            return "nothing";
    }
}

std::string Value::dump() const {
    size_t length = 0;
    char* text = yyjson_val_write(cast(raw_), YYJSON_WRITE_NOFLAG, &length);
    std::string out(text ? text : "", text ? length : 0);
    std::free(text);
    return out;
}

Document::Document(Document&& other) noexcept : doc_(std::exchange(other.doc_, nullptr)) {}
Document& Document::operator=(Document&& other) noexcept {
    std::swap(doc_, other.doc_);
    return *this;
}
Document::~Document() { yyjson_doc_free(static_cast<yyjson_doc*>(doc_)); }
Value Document::root() const { return Value(yyjson_doc_get_root(static_cast<yyjson_doc*>(doc_))); }

// yyjson parses iteratively, but everything that walks the tree later recurses: bound it here.
static bool too_deep(std::string_view text) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') ++i;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > kMaxDepth) return true;
        } else if (c == '}' || c == ']') {
            --depth;
        }
    }
    return false;
}

Result<Document> parse(std::string_view text, size_t limit) {
    if (text.size() > limit)
        return fail(Code::kTooLarge,
                    strf("JSON text of %zu bytes; at most %zu are read", text.size(), limit));
    if (too_deep(text)) return fail(Code::kInvalid, strf("JSON nested deeper than %d", kMaxDepth));
    yyjson_read_err error{};
    yyjson_doc* doc = yyjson_read_opts(const_cast<char*>(text.data()), text.size(),
                                       YYJSON_READ_NOFLAG, nullptr, &error);
    if (!doc) {
        size_t line = 1, column = 1;
        for (size_t i = 0; i < error.pos && i < text.size(); ++i) {
            column = text[i] == '\n' ? 1 : column + 1;
            line += text[i] == '\n';
        }
        return fail(Code::kInvalid,
                    strf("JSON: line %zu, column %zu: %s", line, column, error.msg));
    }
    return Document(doc);
}

void Writer::newline() {
    if (!indent_) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(indent_ * depth_), ' ');
}

void Writer::before_value() {
    if (after_key_) {
        after_key_ = false;
        return;
    }
    if (depth_ == 0) return;
    if (!first_) out_ += ',';
    newline();
    first_ = false;
}

Writer& Writer::begin_object() {
    before_value();
    out_ += '{';
    ++depth_;
    first_ = true;
    return *this;
}

Writer& Writer::end_object() {
    --depth_;
    if (!first_) newline();
    out_ += '}';
    first_ = false;
    return *this;
}

Writer& Writer::begin_array() {
    before_value();
    out_ += '[';
    ++depth_;
    first_ = true;
    return *this;
}

Writer& Writer::end_array() {
    --depth_;
    if (!first_) newline();
    out_ += ']';
    first_ = false;
    return *this;
}

static void append_string(std::string& out, std::string_view value) {
    out += '"';
    size_t plain = 0;
    for (size_t i = 0; i < value.size(); ++i) {
        auto c = static_cast<unsigned char>(value[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        out.append(value.substr(plain, i - plain));
        plain = i + 1;
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                out += strf("\\u%04x", c);
        }
    }
    out.append(value.substr(plain));
    out += '"';
}

static std::string scrub_utf8(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        size_t good = 1;
        while (good <= 4 && good <= text.size() && !is_utf8(text.substr(0, good))) ++good;
        if (good > 4 || good > text.size()) {
            out += "\xEF\xBF\xBD";
            text.remove_prefix(1);
        } else {
            out.append(text.substr(0, good));
            text.remove_prefix(good);
        }
    }
    return out;
}

Writer& Writer::key(std::string_view name) {
    before_value();
    append_string(out_, is_utf8(name) ? std::string(name) : scrub_utf8(name));
    out_ += indent_ ? ": " : ":";
    after_key_ = true;
    return *this;
}

Writer& Writer::string(std::string_view value) {
    before_value();
    if (is_utf8(value))
        append_string(out_, value);
    else
        append_string(out_, scrub_utf8(value));
    return *this;
}

Writer& Writer::number(int64_t value) {
    before_value();
    char buffer[24];
    auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    out_.append(buffer, end);
    return *this;
}

Writer& Writer::number(double value) {
    before_value();
    if (!std::isfinite(value)) {
        out_ += "null";  // JSON has no infinity
        return *this;
    }
    // "-0" would be read back as the integer 0: the sign of a zero is not kept.
    if (value == 0) value = 0;
    char buffer[32];
    auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    out_.append(buffer, end);
    return *this;
}

Writer& Writer::boolean(bool value) {
    before_value();
    out_ += value ? "true" : "false";
    return *this;
}

Writer& Writer::null() {
    before_value();
    out_ += "null";
    return *this;
}

Writer& Writer::raw(std::string_view json) {
    before_value();
    out_ += json;
    return *this;
}

}  // namespace planetbox::json
