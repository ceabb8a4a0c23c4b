#include "core/progress.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace kv {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kQuiet{500};  // Shorter work needs no bar.
constexpr milliseconds kRedraw{100};
constexpr std::uint64_t kCells = 30;

}  // namespace

void Progress::begin(std::string what, std::uint64_t total, std::uint64_t from, std::string_view items) {
  clear();
  what_ = std::move(what);
  item_name_ = items;
  from_ = done_ = from;
  total_ = total;
  items_ = 0;
  began_ = drawn_ = std::chrono::steady_clock::now();
}

void Progress::reach(std::uint64_t done, std::uint64_t items) {
  done_ = std::min(total_, done);
  items_ = items;
  if (terminal_ == nullptr || (total_ == 0 && item_name_.empty())) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - began_ < kQuiet || now - drawn_ < kRedraw) return;
  drawn_ = now;
  draw(now);
}

void Progress::clear() {
  if (!visible_) return;
  fmt::print(terminal_, "\r\x1b[K");
  std::fflush(terminal_);
  visible_ = false;
}

void Progress::draw(std::chrono::steady_clock::time_point now) {
  std::string line = total_ == 0 ? fmt::format("{}  {} {}", what_, items_, item_name_) : what_;
  if (total_ != 0) {
    const double share = static_cast<double>(done_) / static_cast<double>(total_);
    const auto cells = static_cast<std::uint64_t>(share * static_cast<double>(kCells));
    line += fmt::format(" [{:<30}] {:3.0f}%", std::string(std::min(cells, kCells), '#'), 100 * share);
  }
  const double seconds = std::chrono::duration<double>(now - began_).count();
  if (!item_name_.empty()) line += fmt::format("  {:.0f} {}/s", static_cast<double>(items_) / seconds, item_name_);
  if (done_ > from_) {
    const double left = seconds * static_cast<double>(total_ - done_) / static_cast<double>(done_ - from_);
    line += fmt::format("  {} left", about_so_long(std::chrono::seconds(static_cast<std::int64_t>(left))));
  }
  fmt::print(terminal_, "\r\x1b[K{}", line);
  std::fflush(terminal_);
  visible_ = true;
}

std::string about_so_long(milliseconds duration) {
  if (duration > milliseconds(0) && duration < std::chrono::seconds(1)) return fmt::format("{}ms", duration.count());
  const std::int64_t seconds = duration.count() / 1000;
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h {}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d {}h", seconds / 86400, seconds / 3600 % 24);
}

}  // namespace kv
