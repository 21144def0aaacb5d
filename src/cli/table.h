// A table for people: left-aligned columns, four spaces apart, headings dim.
#pragma once

#include <string>
#include <vector>

namespace atelier::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  // Missing cells at the end count as empty; more cells than headings are columns without a heading.
  void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Lines without blanks at their ends, each closed by a line feed.
  std::string render(bool colour) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace atelier::cli
