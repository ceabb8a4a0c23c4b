// The way of one operation: admission, the shard's lock, the log, the level asked for. Knows keys and the promise of
// the mode, and neither gRPC nor files.
//
// Hard part: two orders. A change is appended to the journal while its shard is locked, so that log order is apply
// order of each key; and under fsync ALWAYS no answer shows what a crash could still take back, so a reader may have to
// wait for somebody else's write. No lock is held over a co_await.
//
// Threads:  any; coroutines resume on the caller's home.
// Lifetime: store and clock outlive the engine; the journal outlives every call made after attach(). A Caller
// and
//           the bytes of an operation outlive the Task that was given them.
// Errors:   LOADING and SHUTTING_DOWN outside of serving; what a reason promises about "applied or not" is in
//           docs/api/legacy.md. OUTCOME_UNKNOWN is the only one that leaves a change behind.
// Source:   docs/durability.md.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/task.h"
#include "persistence/journal.h"
#include "persistence/storage.h"
#include "server/limits.h"
#include "store/store.h"

namespace kv {

// Who asks: where its coroutine resumes, and whether it still wants the change. Asked once more right before a change
// is applied, because admission may have made it wait past its deadline.
class Caller {
 public:
  virtual Scheduler& home() noexcept = 0;
  virtual absl::Status still_wanted() noexcept = 0;

 protected:
  ~Caller() = default;
};

struct SetOperation {
  std::string_view key;
  std::string_view value;
  UnixMillis expire_at = kNoExpiry;
  std::optional<Level> level;  // empty: what mode and policy give
  bool timed = false;
};

struct DeleteOperation {
  std::string_view key;
  std::optional<Level> level;
  bool timed = false;
};

// Where the time of an operation went; zeros unless it asked for that.
struct StageTimes {
  std::chrono::nanoseconds admission{0};
  std::chrono::nanoseconds durability{0};
};

struct Written {
  Revision revision = 0;  // of the change, or, when nothing changed, at which that was seen
  Level level = Level::kMemory;
  bool existed = false;  // before the change
  StageTimes times = {};
};

struct KeyListing {
  std::vector<std::string> keys;
  std::uint64_t omitted = 0;  // keys that are not UTF-8
  Revision revision = 0;
};

class Engine {
 public:
  Engine(Store& store, Clock& clock, const Limits& limits, const LoadProgress& progress)
      : store_(store), clock_(clock), limits_(limits), progress_(progress) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Once, after the load: from here on expire() works.
  void attach(Journal& journal) noexcept { journal_ = &journal; }
  // From LOADING to serving, once; then to stopping, once, from where nothing is accepted any more.
  void start_serving() noexcept;
  void stop_serving() noexcept { state_.store(State::kStopping, std::memory_order_release); }
  bool serving() const noexcept { return state_.load(std::memory_order_acquire) == State::kServing; }
  // OK while serving; else LOADING, with how far it is, or SHUTTING_DOWN.
  absl::Status ready() const;

  const Limits& limits() const noexcept { return limits_; }
  absl::Status check_key(std::string_view key) const;
  absl::Status check_entry(std::string_view key, std::string_view value) const;

  // Only while ready(). Calls visit(const Entry*) under the shard's lock, with null for a miss, and returns the
  // revision that the answer shows: it may be sent once must_wait() is false or until_readable() gave OK.
  template <class Visit>
  Revision read(const HashedKey& key, Visit&& visit) const;
  bool must_wait(Revision shown) const noexcept {
    return journal_->default_level() == Level::kDisk && shown > journal_->durable();
  }
  LevelWait until_readable(Revision shown, Scheduler& home) const noexcept {
    return journal_->wait_readable(shown, home);
  }
  Revision applied() const noexcept { return journal_->applied(); }
  // A revision up to which every read that begins after this call sees everything and may show it at once: revisions
  // are assigned under the lock of the shard, so a reader that gets the lock finds those before it published.
  Revision visible() const noexcept {
    return journal_->default_level() == Level::kDisk ? journal_->durable() : journal_->applied();
  }

  // Check sizes first.
  Task<absl::StatusOr<Written>> set(SetOperation operation, Caller& caller);
  Task<absl::StatusOr<Written>> remove(DeleteOperation operation, Caller& caller);
  // Every key that is UTF-8, shard by shard: each shard is seen at one moment, and other calls run between two shards.
  // RESPONSE_TOO_LARGE when names and their framing would exceed `bytes_max`.
  Task<absl::StatusOr<KeyListing>> keys(std::size_t bytes_max, Caller& caller);
  // Logs and publishes the removal of up to `keys_max` due keys of one shard; gives how many.
  Task<absl::StatusOr<std::size_t>> expire(std::size_t shard, std::size_t keys_max, Scheduler& home);

  Store& store() noexcept { return store_; }
  Clock& clock() noexcept { return clock_; }

 private:
  enum class State : std::uint8_t { kLoading, kServing, kStopping };

  Store& store_;
  Clock& clock_;
  const Limits limits_;
  const LoadProgress& progress_;
  Journal* journal_ = nullptr;  // set before state_ says serving
  std::atomic<State> state_{State::kLoading};
};

template <class Visit>
Revision Engine::read(const HashedKey& key, Visit&& visit) const {
  // At time zero nothing is due: the entry is found whatever its expiry, because a miss by expiry shows its version.
  constexpr UnixMillis kBeforeAnyExpiry = 0;
  const ReadLock lock = store_.read(key);
  const Entry* entry = lock.find(key, kBeforeAnyExpiry);
  if (entry == nullptr) {
    visit(static_cast<const Entry*>(nullptr));
    return lock.last_removal();
  }
  const bool due = entry->expire_at() != kNoExpiry && entry->due(clock_.now());
  visit(due ? nullptr : entry);
  return due ? std::max(entry->version(), lock.last_removal()) : entry->version();
}

}  // namespace kv
