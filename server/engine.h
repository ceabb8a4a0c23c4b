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
#include "server/batch.h"
#include "server/executor.h"
#include "server/lateness.h"
#include "server/limits.h"
#include "server/memory_budget.h"
#include "server/operation.h"
#include "server/request_key.h"
#include "server/transaction.h"
#include "server/walk_bound.h"
#include "server/walk_thread.h"
#include "store/store.h"

namespace kv {

// Who asks: where its coroutine resumes, and whether it still wants the change. Asked once more right before a change
// is applied, because admission may have made it wait past its deadline.
class Caller {
 public:
  virtual Scheduler& home() noexcept = 0;
  virtual absl::Status still_wanted() noexcept = 0;
  // What is made for it is about to have so many bytes, more than it said before. An error: they are not to be had, and
  // the operation ends with it. From whichever thread makes it; short, because a shard may be locked.
  virtual absl::Status holds(std::size_t) noexcept { return absl::OkStatus(); }

 protected:
  ~Caller() = default;
};

// How long an operation could do nothing but wait; 0: it did not have to.
struct StageTimes {
  std::chrono::nanoseconds admission{0};
  std::chrono::nanoseconds durability{0};
};

struct Written {
  Revision revision = 0;  // of the change, or, when nothing changed, at which that was seen
  Level level = Level::kMemory;
  bool applied = false;   // Outcome::applied
  bool replayed = false;  // Outcome::replayed
  StageTimes times = {};
};

// The sink has the answer, unless there is an error: nothing was changed then.
struct Transacted {
  absl::Status error;
  std::optional<std::size_t> failed_at;  // the operation whose error it is
  bool succeeded = false;                // the comparisons held
  StageTimes times = {};
  // What the answer waits for, an error's too.
  Revision revision = 0;       // of its record; 0: none
  Revision shown = 0;          // the newest change of others that it shows
  std::optional<Level> level;  // none: it only reads, and waits as a Get does
  bool changed = false;        // the record has a change, and it is this call's
};

// Hears of every expiry that a write sets.
class ExpiryListener {
 public:
  virtual void note(UnixMillis expire_at) noexcept = 0;

 protected:
  ~ExpiryListener() = default;
};

struct KeyListing {
  std::string names;          // a kvstore.KeysResponse, as its bytes
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
  // Once, before serving; null: nobody listens.
  void tell_expiries_to(ExpiryListener* listener) noexcept { expiries_ = listener; }
  // From LOADING to serving, once; then to stopping, once, from where nothing is accepted any more.
  void start_serving() noexcept;
  void stop_serving() noexcept { state_.store(State::kStopping, std::memory_order_release); }
  bool serving() const noexcept { return state_.load(std::memory_order_acquire) == State::kServing; }
  // OK while serving; else LOADING, with how far it is, or SHUTTING_DOWN.
  absl::Status ready() const;

  const Limits& limits() const noexcept { return limits_; }
  // Without a limit until it is given one. Asked by every write that adds to the data, right before it is applied.
  MemoryBudget& memory() noexcept { return memory_; }
  const MemoryBudget& memory() const noexcept { return memory_; }
  absl::Status check_key(std::string_view key) const;
  absl::Status check_entry(std::string_view key, std::string_view value) const;
  // Sizes, and whether a Get asks for a revision that there is. Only while ready().
  absl::Status check(const Operation& operation) const;

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
  Level default_level() const noexcept { return journal_->default_level(); }
  // A revision up to which every read that begins after this call sees everything and may show it at once: revisions
  // are assigned under the lock of the shard, so a reader that gets the lock finds those before it published.
  Revision visible() const noexcept {
    return journal_->default_level() == Level::kDisk ? journal_->durable() : journal_->applied();
  }

  // A Get. Only while ready(); check() first. The sink has the answer unless the outcome is an error; it may be sent
  // once must_wait(outcome.shown) is false or until_readable() gave OK, and so may the error.
  Outcome get(const Operation& operation, OutcomeSink& sink) const;

  // A write of one key, as a record of its own, answered at its level; check() first. `sink` may be null. An error that
  // what was found brings (NOT_AN_INTEGER) waits like any answer.
  Task<absl::StatusOr<Written>> write(const Operation& operation, Caller& caller, OutcomeSink* sink = nullptr);
  // All operations of a branch, or none, as one record; check() each first. An error of admission comes as a status,
  // one of what was found in the result, when it may be told.
  Task<absl::StatusOr<Transacted>> transact(const TransactionRequest& request, Caller& caller, TransactionSink& sink);
  // The same without the wait, which is the caller's: nothing of it may be told before.
  Task<absl::StatusOr<Transacted>> transact_unsettled(const TransactionRequest& request, Caller& caller,
                                                      TransactionSink& sink);
  // Every operation by itself, those of one key in their order; check() and plan() first. Each item then has an error
  // or was told to the sink. An error here: nobody waits any more, and what had not begun was not applied.
  Task<absl::Status> run(Batch& batch, Caller& caller, BatchSink& sink);
  // What answers wait for that were given together: the newest revision of each kind, 0 for none.
  struct Unsettled {
    Revision disk = 0;   // of a change whose answer waits for DISK
    Revision os = 0;     // for OS
    Revision shown = 0;  // that answers show without having made it
  };
  bool settled(const Unsettled& unsettled) const noexcept {
    return unsettled.os == 0 && unsettled.disk <= journal_->durable() && !must_wait(unsettled.shown);
  }
  Task<absl::Status> until_settled(Unsettled unsettled, Scheduler& home);
  // Whether a change at this level may be answered as made, or what was seen may be shown.
  bool reached(Revision revision, Level level) const noexcept {
    if (level == Level::kMemory) return true;
    return revision <= (level == Level::kOs ? journal_->watermarks().os : journal_->durable());
  }
  // Every key that is UTF-8, shard by shard: each shard is seen at one moment.
  // RESPONSE_TOO_LARGE when names and their framing would exceed `bytes_max`; what the caller says of bytes that it
  // cannot have; OVERLOADED when as many walks as may be are under way.
  Task<absl::StatusOr<KeyListing>> keys(std::size_t bytes_max, Caller& caller);
  // Logs and publishes the removal of up to `keys_max` due keys of one shard; gives how many. `lateness` may be null.
  Task<absl::StatusOr<std::size_t>> expire(std::size_t shard, std::size_t keys_max, Scheduler& home,
                                           LatenessCounts* lateness = nullptr);

  // Frees the request ids that the window has left behind, in small steps.
  void forget_requests();
  // Writes that were answered from the window.
  std::uint64_t replayed_total() const noexcept { return replayed_total_.load(std::memory_order_relaxed); }

  Store& store() noexcept { return store_; }
  Journal& journal() noexcept { return *journal_; }
  WalkThread& walks() noexcept { return walks_; }
  WalkBound& scan_bound() noexcept { return scan_bound_; }
  WalkBound& walk_bound() noexcept { return walk_bound_; }
  Clock& clock() noexcept { return clock_; }

 private:
  enum class State : std::uint8_t { kLoading, kServing, kStopping };

  Store& store_;
  Clock& clock_;
  const Limits limits_;
  MemoryBudget memory_{store_};
  const LoadProgress& progress_;
  // What apply() needs to know of the key before its shard is locked: an Append's record holds the whole value.
  std::size_t present_bytes(const Operation& operation, const HashedKey& key) const;
  // Under the shard's lock. False: the ticket is too small.
  bool apply_alone(const Operation& operation, const HashedKey& key, const HashedValue& value,
                   const std::optional<RequestKey>& request, Ticket ticket, Level level, OutcomeSink* sink,
                   Outcome& outcome);
  struct BatchRun;
  bool answer_again(const RequestKey& request, BatchItem& item, BatchSink& sink);
  template <class Lock>
  bool carry_out(Lock& shard, const Batch::Step& step, UnixMillis now, BatchRun& run);
  std::size_t carry_out(const Batch::Window& window, BatchRun& run);

  struct Changes {
    Revision revision;  // of its record; 0: none
    Revision shown;     // the newest change of others that the answer shows
    Level level;        // that was asked for, or is given
    bool changed =
        true;  // the record has a change, and it is this call's: else no outcome is unknown if the disk fails
  };
  static Changes changes_of(const Outcome& outcome) noexcept {
    return {std::max(outcome.revision, outcome.logged), outcome.shown, outcome.level,
            outcome.revision != 0 && !outcome.replayed};
  }
  // The answer of an earlier write with this id.
  absl::StatusOr<std::optional<Outcome>> recall(const RequestKey& request, OperationKind kind,
                                                std::optional<Level> asked);
  // When the answer may be sent.
  LevelWait answerable(Changes changes, std::optional<Level> asked, Scheduler& home);

  Journal* journal_ = nullptr;  // set before state_ says serving
  std::atomic<std::uint64_t> replayed_total_{0};
  ExpiryListener* expiries_ = nullptr;
  std::atomic<State> state_{State::kLoading};
  WalkBound scan_bound_{limits_.scans_max};
  WalkBound walk_bound_{limits_.scans_max};
  WalkThread walks_;
};

template <class Visit>
Revision Engine::read(const HashedKey& key, Visit&& visit) const {
  const ReadLock lock = store_.read(key);
  const FoundKey found = find_key(lock, key, clock_.now());
  visit(found.seen().entry);
  return found.shown;
}

}  // namespace kv
