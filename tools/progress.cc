#include "tools/progress.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace kv::tools {
namespace {

constexpr std::chrono::milliseconds kQuiet{500};  // Shorter work needs no bar.
constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::uint64_t kCells = 30;

}  // namespace

void Progress::begin(std::string what, std::uint64_t total) {
  clear();
  what_ = std::move(what);
  done_ = 0;
  total_ = total;
  began_ = drawn_ = std::chrono::steady_clock::now();
}

void Progress::advance(std::uint64_t more) {
  done_ = std::min(total_, done_ + more);
  if (terminal_ == nullptr || total_ == 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - began_ < kQuiet || now - drawn_ < kRedraw) return;
  drawn_ = now;
  draw();
}

void Progress::clear() {
  if (!visible_) return;
  fmt::print(terminal_, "\r\x1b[K");
  std::fflush(terminal_);
  visible_ = false;
}

void Progress::draw() {
  const std::uint64_t cells = kCells * (done_ / 1024) / std::max<std::uint64_t>(1, total_ / 1024);
  const std::string bar(std::min(cells, kCells), '#');
  const double percent = 100.0 * static_cast<double>(done_) / static_cast<double>(total_);
  fmt::print(terminal_, "\r\x1b[K{} [{:<30}] {:3.0f}%", what_, bar, percent);
  std::fflush(terminal_);
  visible_ = true;
}

}  // namespace kv::tools
