// JSON (RFC 8259) over yyjson; json.cc is its only includer.
//
// Reading: a Document owns the text; Values point into it and must not outlive it.  Parsing is
// strict (no comments, no trailing commas), refuses depth above 64 and text above the caller's
// limit.  Looking up what is not there yields a Value for which exists() is false; the as_…()
// accessors then yield nullopt, so a chain of look-ups needs one check at its end.
//
// Writing: a Writer builds a tree in code order: begin_object/key/…/end_object.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace planetbox::json {

class Value {
public:
    Value() = default;
    bool exists() const { return raw_ != nullptr; }
    bool is_null() const;
    bool is_object() const;
    bool is_array() const;
    bool is_string() const;
    bool is_number() const;
    bool is_bool() const;

    Value operator[](std::string_view key) const;  // member of an object
    Value at(size_t index) const;                  // element of an array
    size_t size() const;                           // of an array or object, else 0
    std::vector<Value> items() const;              // elements of an array
    // Members of an object in document order; of a doubled name both are listed, [] finds the last
    // (as Go does).
    std::vector<std::pair<std::string_view, Value>> members() const;

    std::optional<std::string_view> as_string() const;
    std::optional<int64_t> as_int() const;  // integers only
    std::optional<double> as_double() const;
    std::optional<bool> as_bool() const;
    std::string_view string_or(std::string_view fallback) const {
        return as_string().value_or(fallback);
    }
    // The word a message can use: "object", "array", "string", "number", "bool", "null", "nothing".
    std::string_view type_name() const;
    std::string dump() const;  // compact JSON of this value

private:
    friend class Document;
    explicit Value(void* raw) : raw_(raw) {}
    void* raw_ = nullptr;
};

class Document {
public:
    Document(Document&&) noexcept;
    Document& operator=(Document&&) noexcept;
    ~Document();
    Value root() const;

private:
    friend Result<Document> parse(std::string_view, size_t);
    explicit Document(void* doc) : doc_(doc) {}
    void* doc_ = nullptr;
};

// Errors: kInvalid with line and column; kTooLarge above `limit` bytes.
Result<Document> parse(std::string_view text, size_t limit = 16u << 20);

class Writer {
public:
    // indent 0 = one line; otherwise that many spaces a level, as Go's MarshalIndent does.
    explicit Writer(int indent = 0) : indent_(indent) {}
    Writer& begin_object();
    Writer& end_object();
    Writer& begin_array();
    Writer& end_array();
    Writer& key(std::string_view name);
    Writer& string(std::string_view value);  // invalid UTF-8 bytes become U+FFFD
    Writer& number(int64_t value);
    Writer& number(double value);
    Writer& boolean(bool value);
    Writer& null();
    // A value that is JSON already (from Value::dump or another Writer).
    Writer& raw(std::string_view json);

    Writer& field(std::string_view name, std::string_view value) { return key(name).string(value); }
    Writer& field(std::string_view name, const char* value) { return key(name).string(value); }
    Writer& field(std::string_view name, int64_t value) { return key(name).number(value); }
    Writer& field(std::string_view name, int value) {
        return key(name).number(static_cast<int64_t>(value));
    }
    Writer& field(std::string_view name, double value) { return key(name).number(value); }
    Writer& field(std::string_view name, bool value) { return key(name).boolean(value); }
    const std::string& text() const { return out_; }
    std::string take() { return std::move(out_); }

private:
    void before_value();
    void newline();
    std::string out_;
    int indent_;
    int depth_ = 0;
    bool first_ = true;
    bool after_key_ = false;
};

}  // namespace planetbox::json
