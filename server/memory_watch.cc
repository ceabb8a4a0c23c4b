#include "server/memory_watch.h"

#include <algorithm>

#include "core/units.h"
#include "server/allocator.h"
#include "server/log.h"

namespace kv {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSeldom{200};
constexpr milliseconds kOften{5};
constexpr std::int64_t kCopiedBytesAMilli = 2 << 20;  // 2 GiB a second
constexpr std::chrono::seconds kBetweenGifts{1};

}  // namespace

std::uint64_t MemoryWatch::automatic_limit(const MemoryReading& reading) noexcept {
  constexpr std::uint64_t kNone = std::uint64_t{1} << 50;  // the most that --max-memory takes
  constexpr std::uint64_t kWholeMiB = ~((std::uint64_t{1} << 20) - 1);
  return reading.limit == 0 ? kNone : reading.limit / 4 * 3 & kWholeMiB;
}

void MemoryWatch::limit_is(std::uint64_t bytes) { budget_.set_limit(bytes == 0 ? automatic_ : bytes); }

milliseconds MemoryWatch::look() {
  const auto now = std::chrono::steady_clock::now();
  const MemoryReading reading = machine_.read();
  if (reading.headroom <= 0 && now - gave_back_ >= kBetweenGifts) {
    give_back_free_memory();
    gave_back_ = now;
  }
  budget_.look({beside_(), reading.headroom}, now);
  if (budget_.alarmed() != alarmed_) {
    alarmed_ = !alarmed_;
    if (!alarmed_) {
      log_info("there is memory again: writes are accepted");
    } else if (budget_.pressed()) {
      log_warning("memory is about to run out ({} is the kernel's limit): writes are refused, deletes and reads go on",
                  format_size(reading.limit));
    } else {
      log_warning("the limit of memory ({}) is reached: writes are refused, deletes and reads go on",
                  format_size(budget_.limit()));
    }
  }
  return std::clamp(milliseconds(std::max<std::int64_t>(reading.headroom, 0) / kCopiedBytesAMilli), kOften, kSeldom);
}

void MemoryWatch::start(EventThread& events) { look_again(events); }

void MemoryWatch::look_again(EventThread& events) {
  events.after(look(), [this, &events] { look_again(events); });
}

}  // namespace kv
