// A file seen as memory, for reading something large without copying it.  A file that shrinks while
// it is mapped kills the reader by SIGBUS, so this is for an operator's own files.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace planetbox {

class MappedFile {
public:
    static Result<MappedFile> open(const std::string& path);
    MappedFile(MappedFile&& other) noexcept : data_(other.data_), size_(other.size_) {
        other.data_ = nullptr;
        other.size_ = 0;
    }
    MappedFile& operator=(MappedFile&&) = delete;
    ~MappedFile();
    std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

private:
    MappedFile(void* data, size_t size) : data_(data), size_(size) {}
    void* data_;
    size_t size_;
};

}  // namespace planetbox
