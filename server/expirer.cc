#include "server/expirer.h"

#include <algorithm>

namespace kv {
namespace {

constexpr std::size_t kKeysPerRecord = 128;
constexpr std::chrono::milliseconds kRetryAfter{1000};  // while the log refuses
constexpr std::chrono::milliseconds kIdle{60'000};      // nothing expires; note() wakes us
constexpr std::chrono::milliseconds kBreath{5};         // between two sweeps at least

}  // namespace

absl::Status Expirer::sweep_now() { return sweep(); }

void Expirer::start() {
  thread_ = std::thread([this] { run(); });
}

void Expirer::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Expirer::note(UnixMillis expire_at) noexcept {
  const UnixMillis planned = planned_.load(std::memory_order_seq_cst);
  if (planned != 0 && expire_at >= planned) return;
  {
    std::lock_guard lock(mutex_);
    noted_ = true;
  }
  changed_.notify_one();
}

void Expirer::post(CompletionList list) noexcept {
  {
    std::lock_guard lock(mutex_);
    posted_.append(std::move(list));
  }
  changed_.notify_one();
}

std::chrono::milliseconds Expirer::until_next() const noexcept {
  const UnixMillis next = engine_.store().next_expiry();
  if (next == kNoExpiry) return kIdle;
  return std::clamp(std::chrono::milliseconds(next - engine_.clock().now()), kBreath, kIdle);
}

void Expirer::run() {
  while (true) {
    const absl::Status swept = sweep();
    engine_.forget_requests();
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    // planned_ is still 0: whoever sets an expiry from here on waits for mutex_ in note(), and then wakes us.
    const auto wait = swept.ok() ? until_next() : kRetryAfter;
    planned_.store(engine_.clock().now() + wait.count(), std::memory_order_seq_cst);
    changed_.wait_for(lock, wait, [this] { return stopping_ || noted_; });
    planned_.store(0, std::memory_order_seq_cst);
    noted_ = false;
    if (stopping_) return;
  }
}

absl::Status Expirer::sweep() {
  absl::Status result;
  bool done = false;
  sweep_shards(result, done);
  while (!done) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !posted_.empty(); });
    CompletionList list = std::move(posted_);
    lock.unlock();
    while (Completion* completion = list.pop()) completion->complete(true);
  }
  return result;
}

// Resumes on the thread that runs sweep().
Detached Expirer::sweep_shards(absl::Status& result, bool& done) {
  for (std::size_t shard = 0; shard < engine_.store().shard_count() && result.ok(); ++shard) {
    while (true) {
      const UnixMillis next = engine_.store().next_expiry(shard);
      if (next == kNoExpiry || next > engine_.clock().now()) break;
      const absl::StatusOr<std::size_t> expired = co_await engine_.expire(shard, kKeysPerRecord, *this, &lateness_);
      if (!expired.ok()) {
        result = expired.status();
        break;
      }
      if (*expired == 0) break;
      expired_total_.fetch_add(*expired, std::memory_order_relaxed);
    }
  }
  done = true;
}

}  // namespace kv
