#include "server/memory_budget.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"
#include "core/units.h"

namespace kv {
namespace {

constexpr std::chrono::seconds kCalm{1};
// "There is room again" means one part in so many of the limit, so that an alarm does not come and go with every write.
constexpr std::uint64_t kRoomAgain = 32;

}  // namespace

void MemoryBudget::set_limit(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_.store(std::min(bytes, kUnlimited), std::memory_order_relaxed);
  work_out_room();
}

void MemoryBudget::work_out_room() {
  const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
  const bool pressed = seen_.headroom <= 0;
  pressed_.store(pressed, std::memory_order_relaxed);
  room_.store(pressed ? 0 : limit - std::min(limit, seen_.beside), std::memory_order_relaxed);
}

void MemoryBudget::look(const Seen& seen, Time now) {
  const std::lock_guard lock(mutex_);
  seen_ = seen;
  work_out_room();
  if (refused_.exchange(false, std::memory_order_relaxed) || seen.headroom <= 0) {
    last_refusal_ = now;
    alarmed_.store(true, std::memory_order_relaxed);
    return;
  }
  const std::uint64_t room = room_.load(std::memory_order_relaxed);
  const bool roomy = store_.memory_bytes_about() <= room - room / kRoomAgain && room != 0;
  if (roomy && now - last_refusal_ >= kCalm) alarmed_.store(false, std::memory_order_relaxed);
}

absl::Status MemoryBudget::refuse() noexcept {
  refused_.store(true, std::memory_order_relaxed);
  alarmed_.store(true, std::memory_order_relaxed);
  const std::uint64_t used = store_.memory_bytes_about();
  const std::string why =
      pressed() ? std::string("the memory of the machine or of the container is about to run out")
                : fmt::format("the data have {} bytes of memory, the limit is {} with what calls in progress hold",
                              used, format_size(limit()));
  return error(Reason::kMemoryLimit, why + "; nothing was changed, deletes still work",
               {{"limit", std::to_string(limit())}, {"used", std::to_string(used)}});
}

}  // namespace kv
