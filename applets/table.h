// A table for people: columns as wide as their widest cell, two spaces between.
#pragma once

#include <string>
#include <vector>

namespace planetbox {

class Table {
public:
    explicit Table(std::vector<std::string> heads) : rows_{std::move(heads)} {}
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    std::string text() const;

private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace planetbox
