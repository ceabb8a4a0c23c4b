#include "client/cli/table.h"

#include <algorithm>
#include <utility>

namespace kv {
namespace {

constexpr std::size_t kHeldMax = 1000;
constexpr std::size_t kWidthMax = 60;  // Of a column: one long value must not move all the others.

}  // namespace

std::size_t shown_width(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

Table::Table(std::vector<std::string> headings, std::function<void(std::string_view)> print)
    : print_(std::move(print)), widths_(headings.size()) {
  row(std::move(headings));
}

void Table::row(std::vector<std::string> cells) {
  if (measured_) return print_line(cells);
  measure(cells);
  held_.push_back(std::move(cells));
  if (held_.size() > kHeldMax) print_held();
}

void Table::measure(const std::vector<std::string>& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    widths_[i] = std::max(widths_[i], std::min(shown_width(cells[i]), kWidthMax));
  }
}

void Table::end() {
  if (!measured_) print_held();
}

void Table::print_held() {
  measured_ = true;
  for (const auto& cells : held_) print_line(cells);
  held_.clear();
}

void Table::print_line(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    const std::size_t width = shown_width(cells[i]);
    if (i + 1 < cells.size()) line.append(widths_[i] > width ? widths_[i] - width + 2 : 2, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  print_(line);
}

}  // namespace kv
