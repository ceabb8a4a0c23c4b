// A bar on stderr for long work: only on a terminal, only when the work is long enough to wonder.
//
// Debian 12 packages no progress library for C++ (indicators came later), and this is all we need of one.
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace kv::tools {

class Progress {
 public:
  // Nothing is drawn when `terminal` is null.
  explicit Progress(std::FILE* terminal) : terminal_(terminal) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void begin(std::string what, std::uint64_t total);
  void advance(std::uint64_t more);
  // Removes the bar, so that a line may be printed in its place.
  void clear();

 private:
  void draw();

  std::FILE* const terminal_;
  std::string what_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::chrono::steady_clock::time_point began_, drawn_;
  bool visible_ = false;
};

}  // namespace kv::tools
