// Keys from one up to another, by their bytes.
//
// Threads: a value.
#pragma once

#include <string>
#include <string_view>

namespace kv {

struct KeyRange {
  std::string start = {};  // inclusive
  std::string end = {};    // exclusive; empty: to the end

  bool contains(std::string_view key) const noexcept { return key >= start && (end.empty() || key < end); }
  // Whether it leaves out no key. There is no empty key, so "from the first byte on" is everything too.
  bool is_everything() const noexcept { return end.empty() && (start.empty() || start == std::string_view("\0", 1)); }

  static KeyRange with_prefix(std::string_view prefix) {
    KeyRange range{std::string(prefix), std::string(prefix)};
    // The end is the first key behind all that begin so: the last byte that can be raised is, and what follows goes.
    while (!range.end.empty() && range.end.back() == '\xff') range.end.pop_back();
    if (!range.end.empty()) ++range.end.back();
    return range;
  }
};

}  // namespace kv
