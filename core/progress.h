// A bar on stderr for long work: only on a terminal, only when the work is long enough to wonder.
//
//   importing [##############                ]  47%  21500 entries/s  38s left
//
// Debian 12 packages no progress library for C++ (indicators came later), and this is all we need of one.
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace kv {

class Progress {
 public:
  // Nothing is drawn when `terminal` is null.
  explicit Progress(std::FILE* terminal) : terminal_(terminal) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `total` 0: nobody knows; then only the items are shown. `from`: so much was done before, by an earlier run.
  // `items`: what is counted besides, "entries"; may be empty.
  void begin(std::string what, std::uint64_t total, std::uint64_t from = 0, std::string_view items = {});
  void advance(std::uint64_t more) { reach(done_ + more, 0); }
  // So far: of the total, and of the items since begin().
  void reach(std::uint64_t done, std::uint64_t items);
  // Removes the bar, so that a line may be printed in its place.
  void clear();

 private:
  void draw(std::chrono::steady_clock::time_point now);

  std::FILE* const terminal_;
  std::string what_, item_name_;
  std::uint64_t from_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t items_ = 0;
  std::chrono::steady_clock::time_point began_, drawn_;
  bool visible_ = false;
};

// About so long, in at most two units: "250ms", "42s", "3m 20s", "2d 4h".
std::string about_so_long(std::chrono::milliseconds duration);

}  // namespace kv
