// Rows under headings, in columns as wide as what stands in them.
//
// The first rows are held back until the widths are known; what comes later and is wider moves the rest of its line.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

// How many columns of a terminal the text takes, near enough: one for each character.
std::size_t shown_width(std::string_view utf8);

class Table {
 public:
  Table(std::vector<std::string> headings, std::function<void(std::string_view line)> print);
  void row(std::vector<std::string> cells);
  void end();

 private:
  void measure(const std::vector<std::string>& cells);
  void print_held();
  void print_line(const std::vector<std::string>& cells);

  const std::function<void(std::string_view)> print_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> held_;
  bool measured_ = false;
};

}  // namespace kv
