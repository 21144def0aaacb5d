#include "cli/table.h"

#include <algorithm>

#include "cli/console.h"
#include "cli/format.h"

namespace atelier::cli {
namespace {

constexpr std::size_t kGap = 4;

std::string line_of(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t column = 0; column < cells.size(); ++column) {
    line += cells[column];
    if (column + 1 < cells.size()) line.append(widths[column] - display_width(cells[column]) + kGap, ' ');
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace

std::string Table::render(bool colour) const {
  std::vector<std::size_t> widths;
  auto measure = [&widths](const std::vector<std::string>& cells) {
    if (cells.size() > widths.size()) widths.resize(cells.size(), 0);
    for (std::size_t column = 0; column < cells.size(); ++column) {
      widths[column] = std::max(widths[column], display_width(cells[column]));
    }
  };
  measure(headings_);
  for (const auto& row : rows_) measure(row);
  std::string text = paint(Paint::kDim, line_of(headings_, widths), colour) + "\n";
  for (const auto& row : rows_) text += line_of(row, widths) + "\n";
  return text;
}

}  // namespace atelier::cli
