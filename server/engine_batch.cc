// Engine::run: the operations of a batch, window by window.
#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "server/batch.h"
#include "server/engine.h"

namespace kv {

struct Engine::BatchRun {
  Batch& batch;
  BatchSink& sink;
  std::optional<Ticket> ticket;  // of the window, when it writes
  absl::Status refused;          // what its writes get instead
  Revision visible_before = 0;
  UnixMillis earliest_expiry = kNoExpiry;
  std::size_t copied_bytes = 0;  // of entries that got another expiry, which no record holds
  std::size_t failed = 0;        // items that got an error

  // The plan of the window counted what it saw. Its own steps and other callers may have made larger values since.
  bool full() const noexcept { return copied_bytes >= Batch::kWindowBytes; }
};

namespace {

// Memory is asked for at least so many keys before it is needed, and not for so many that it is gone again by then.
constexpr std::size_t kStepsAhead = 32;

void settle(BatchItem& item, Outcome& outcome) {
  item.revision = outcome.revision;
  item.logged = outcome.logged;
  item.replayed = outcome.replayed;
  item.shown = outcome.shown;
  item.level = outcome.level;
  item.error = std::move(outcome.error);
}

}  // namespace

// Before it is asked whether anything can be written. False: it is no retry.
bool Engine::answer_again(const RequestKey& request, BatchItem& item, BatchSink& sink) {
  absl::StatusOr<std::optional<Outcome>> known = recall(request, item.operation.kind, item.operation.options.level);
  if (!known.ok()) {
    item.error = known.status();
    return true;
  }
  if (!*known) return false;
  tell(&sink, **known);
  settle(item, **known);
  return true;
}

// Under the shard's lock. False: the ticket is too small for this step.
template <class Lock>
bool Engine::carry_out(Lock& shard, const Batch::Step& step, UnixMillis now, BatchRun& run) {
  BatchItem& item = run.batch[step.item];
  run.sink.begin(step.item);
  try {
    if (!step.writes) {
      Outcome outcome;
      look(find_key(shard, step.key, now), item.operation, run.visible_before, run.sink, outcome);
      item.shown = outcome.shown;
      item.level = journal_->default_level();
      item.error = std::move(outcome.error);
      return true;
    }
    if constexpr (std::is_same_v<Lock, WriteLock>) {
      const HashedValue value(item.operation.value, step.value_hash);
      const std::optional<RequestKey> request = request_key(item.operation, step.key, value);
      if (request && answer_again(*request, item, run.sink)) return true;
      item.error = run.refused;
      if (item.error.ok() && item.operation.options.level)
        item.error = run.ticket->check_level(*item.operation.options.level);
      if (item.error.ok() && item.operation.kind != OperationKind::kDelete)  // which makes room
        item.error = memory_.admit(item.operation.key.size() + item.operation.value.size());
      if (!item.error.ok()) return true;
      const Level level = item.operation.options.level.value_or(run.ticket->default_level());
      // It begins when its own write is carried out, not while others are.
      if (item.operation.expiry.kind == ExpiryPolicy::Kind::kTtl) now = clock_.now();
      const WriteContext context{*journal_, store_.requests(), limits_.entry_bytes_max, now, level, request};
      Decision decision;
      if (!apply(shard, item.operation, step.key, value, *run.ticket, context, &run.sink, decision)) return false;
      if (decision.outcome.replayed) replayed_total_.fetch_add(1, std::memory_order_relaxed);
      if (decision.change == Decision::Change::kSetExpiry) run.copied_bytes += decision.outcome.entry.size_bytes;
      settle(item, decision.outcome);
      const bool sets_expiry = item.revision != 0 && decision.expire_at != kNoExpiry;
      if (sets_expiry && (run.earliest_expiry == kNoExpiry || decision.expire_at < run.earliest_expiry))
        run.earliest_expiry = decision.expire_at;
    }
  } catch (const std::bad_alloc&) {
    item.error = no_memory();
  }
  return true;
}

// Gives where it stopped: at the end, where the ticket was too small, or where enough was copied.
std::size_t Engine::carry_out(const Batch::Window& window, BatchRun& run) {
  const auto writes = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (run.batch.step(i).writes) return true;
    }
    return false;
  };
  // Read again under the lock where it matters: whoever was told that a key has expired must not meet it again. Not for
  // every shard: a window may have a hundred.
  const UnixMillis before = clock_.now();
  const auto all = [&](auto shard, std::size_t& at, std::size_t end) {
    const UnixMillis now = shard.expires() ? clock_.now() : before;
    while (at < end && !run.full() && carry_out(shard, run.batch.step(at), now, run)) {
      run.failed += run.batch[run.batch.step(at).item].error.ok() ? 0 : 1;
      ++at;
    }
  };
  std::size_t at = window.begin;
  std::size_t asked = window.end - at > 1 ? at : window.end;  // for the memory of the keys before it
  while (at < window.end && !run.full()) {
    while (asked < std::min(window.end, at + kStepsAhead)) asked = run.batch.prefetch(asked, window.end, store_);
    const std::size_t end = run.batch.group_end(at, window.end);
    const std::size_t shard = run.batch.step(at).shard;
    if (writes(at, end)) {
      all(store_.write_shard(shard), at, end);
    } else {
      all(store_.read_shard(shard), at, end);
    }
    if (at < end) break;
  }
  return at;
}

Task<absl::Status> Engine::run(Batch& batch, Caller& caller, BatchSink& sink) {
  std::size_t at = 0;
  std::size_t present_bytes_at_least = 0;
  while (at < batch.steps()) {
    const Batch::Window window = batch.window(at, store_, clock_.now(), present_bytes_at_least);
    BatchRun run{.batch = batch, .sink = sink, .ticket = {}, .refused = {}};
    if (window.writes != 0) {
      absl::StatusOr<Ticket> ticket = co_await journal_->admit(window.record_bytes, caller.home(), window.writes);
      if (ticket.ok()) {
        run.ticket = *std::move(ticket);
      } else {
        run.refused = ticket.status();
      }
    }
    // What has not begun when nobody waits any more is not applied.
    if (const absl::Status wanted = caller.still_wanted(); !wanted.ok()) co_return wanted;
    run.visible_before = visible();
    at = carry_out(window, run);
    if (run.failed != 0) sink.failed(run.failed);
    // Somebody made the value longer meanwhile: enough for any, the next time.
    present_bytes_at_least = at < window.end && !run.full() ? limits_.entry_bytes_max : 0;
    if (expiries_ != nullptr && run.earliest_expiry != kNoExpiry) expiries_->note(run.earliest_expiry);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Engine::until_settled(Unsettled unsettled, Scheduler& home) {
  if (unsettled.disk != 0) {
    const absl::Status reached = co_await journal_->wait_written(unsettled.disk, Level::kDisk, home);
    if (!reached.ok()) co_return reached;
  }
  if (unsettled.os != 0) {
    const absl::Status reached = co_await journal_->wait_written(unsettled.os, Level::kOs, home);
    if (!reached.ok()) co_return reached;
  }
  if (!must_wait(unsettled.shown)) co_return absl::OkStatus();
  co_return co_await journal_->wait_readable(unsettled.shown, home);
}

}  // namespace kv
