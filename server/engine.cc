#include "server/engine.h"

#include <algorithm>
#include <new>
#include <optional>

#include <fmt/format.h>

#include "core/error.h"
#include "server/request_check.h"

namespace kv {
namespace {

// A record of removals is closed at this size, however many keys are due.
constexpr std::size_t kExpireRecordBytes = 256 << 10;
// What an Append is admitted for beyond the value it has seen, so that others who append meanwhile rarely make it come
// again.
constexpr std::size_t kAppendSlack = 4 << 10;

absl::StatusOr<Level> level_of(const Ticket& ticket, std::optional<Level> asked) {
  if (!asked) return ticket.default_level();
  if (const absl::Status possible = ticket.check_level(*asked); !possible.ok()) return possible;
  return *asked;
}

// What a transaction that only reads waits for, having asked for this; none: as a Get does. What the disk may not have
// yet is shown early to none but a writer.
std::optional<Level> level_of_reader(Level default_level, std::optional<Level> asked) {
  if (asked == Level::kMemory) return std::nullopt;
  return asked == Level::kOs && default_level == Level::kDisk ? Level::kDisk : asked;
}

// For what needs no ticket, because it changes nothing.
absl::StatusOr<Level> level_now(const Journal& journal, std::optional<Level> asked) {
  if (!asked) return journal.default_level();
  if (const absl::Status possible = journal.check_level(*asked); !possible.ok()) return possible;
  return *asked;
}

void tell_safely(OutcomeSink* sink, Outcome& outcome) {
  try {
    tell(sink, outcome);
  } catch (const std::bad_alloc&) {
    outcome.error = no_memory();
  }
}

Mutation removal(MutationKind kind, std::string_view key) { return {.kind = kind, .key = key, .value = {}}; }

// Keys and values that the operations add to the data, whatever they may replace; 0 when they only read and remove.
std::size_t bytes_added_by(const std::vector<Operation>& operations) {
  std::size_t bytes = 0;
  for (const Operation& operation : operations) {
    if (operation.kind == OperationKind::kGet || operation.kind == OperationKind::kDelete) continue;
    bytes += operation.key.size() + operation.value.size();
  }
  return bytes;
}

}  // namespace

void Engine::start_serving() noexcept {
  State loading = State::kLoading;  // A stop that came first stands.
  state_.compare_exchange_strong(loading, State::kServing, std::memory_order_acq_rel);
}

absl::Status Engine::ready() const {
  switch (state_.load(std::memory_order_acquire)) {
    case State::kServing:
      return absl::OkStatus();
    case State::kLoading: {
      const std::string percent = fmt::format("{:.0f}", progress_.fraction() * 100);
      return error(Reason::kLoading, fmt::format("the data is being loaded, {} % done", percent),
                   {{"progress_percent", percent}});
    }
    case State::kStopping:
      break;
  }
  return error(Reason::kShuttingDown, "the server is stopping");
}

absl::Status Engine::check_key(std::string_view key) const { return kv::check_key(limits_, key); }

absl::Status Engine::check_entry(std::string_view key, std::string_view value) const {
  return kv::check_entry(limits_, key, value);
}

absl::Status Engine::check(const Operation& operation) const {
  if (const absl::Status checked = check_operation(limits_, operation); !checked.ok()) return checked;
  if (operation.min_revision <= applied()) return absl::OkStatus();
  return error(Reason::kRevisionInFuture,
               fmt::format("revision {} is asked for, the newest is {}", operation.min_revision, applied()),
               {{"field", "min_revision"}, {"revision", std::to_string(applied())}});
}

Outcome Engine::get(const Operation& operation, OutcomeSink& sink) const {
  const HashedKey key(operation.key);
  const Revision visible_before = visible();
  Outcome outcome;
  try {
    const ReadLock lock = store_.read(key);
    look(find_key(lock, key, clock_.now()), operation, visible_before, sink, outcome);
  } catch (const std::bad_alloc&) {
    outcome.error = no_memory();
  }
  return outcome;
}

std::size_t Engine::present_bytes(const Operation& operation, const HashedKey& key) const {
  if (operation.kind != OperationKind::kAppend) return 0;
  const ReadLock lock = store_.read(key);
  const Entry* entry = find_key(lock, key, clock_.now()).seen().entry;
  return entry == nullptr ? 0 : entry->value().size();
}

bool Engine::apply_alone(const Operation& operation, const HashedKey& key, const HashedValue& value,
                         const std::optional<RequestKey>& request, Ticket ticket, Level level, OutcomeSink* sink,
                         Outcome& outcome) {
  Decision decision;
  try {
    WriteLock shard = store_.write(key);
    const WriteContext context{*journal_, store_.requests(), limits_.entry_bytes_max, clock_.now(), level, request};
    if (!apply(shard, operation, key, value, ticket, context, sink, decision)) return false;
  } catch (const std::bad_alloc&) {
    decision.outcome.error = no_memory();
  }
  outcome = std::move(decision.outcome);
  if (outcome.replayed) replayed_total_.fetch_add(1, std::memory_order_relaxed);
  if (expiries_ != nullptr && decision.expire_at != kNoExpiry && outcome.revision != 0)
    expiries_->note(decision.expire_at);
  return true;
}

absl::StatusOr<std::optional<Outcome>> Engine::recall(const RequestKey& request, OperationKind kind,
                                                      std::optional<Level> asked) {
  if (!store_.requests().holds(request.id)) return std::optional<Outcome>();  // As with most; needs no clock.
  const std::optional<RememberedRequest> first = store_.requests().find(request.id, clock_.now());
  if (!first) return std::optional<Outcome>();
  const absl::StatusOr<Level> level = level_now(*journal_, asked);
  if (!level.ok()) return level.status();
  Outcome outcome = replay(*first, request, kind, *level);
  if (outcome.replayed) replayed_total_.fetch_add(1, std::memory_order_relaxed);
  return std::optional(std::move(outcome));
}

void Engine::forget_requests() {
  constexpr std::size_t kIdsPerStep = 256;
  for (std::size_t stripe = 0; stripe < RequestWindow::kStripes; ++stripe) {
    std::size_t forgotten = kIdsPerStep;
    while (forgotten == kIdsPerStep) {
      const ReadLock any = store_.read_shard(0);
      forgotten = store_.requests().forget(stripe, clock_.now(), kIdsPerStep);
    }
  }
}

// Resumes on `home`. No coroutine of its own: its frame would be made and freed for each write, and lie cold when the
// log is done.
LevelWait Engine::answerable(Changes changes, std::optional<Level> asked, Scheduler& home) {
  const bool writes = changes.revision != 0;
  if (writes && changes.changed) return journal_->wait_written(changes.revision, changes.level, home);
  if (writes) return journal_->wait_reached(changes.revision, changes.level, home);
  if (asked) return journal_->wait_reached(changes.shown, changes.level, home);
  if (must_wait(changes.shown)) return journal_->wait_readable(changes.shown, home);
  return journal_->wait_reached(changes.shown, Level::kMemory, home);  // which it has
}

Task<absl::StatusOr<Written>> Engine::write(const Operation& operation, Caller& caller, OutcomeSink* sink) {
  // What it will look up and change comes near meanwhile, step by step: each is where the one before says.
  const HashedKey key(operation.key);
  if (const auto shard = store_.try_read_shard(store_.shard_of(key))) shard->prefetch_group(key);
  if (operation.options.request_id) store_.requests().prefetch(*operation.options.request_id);
  const HashedValue value(operation.value);
  const std::optional<RequestKey> request = request_key(operation, key, value);
  if (const auto shard = store_.try_read_shard(store_.shard_of(key))) shard->prefetch_slot(key);
  Written written;
  Outcome outcome;
  Revision visible_before = 0;
  std::size_t room = present_bytes(operation, key) + kAppendSlack;
  bool applied = false;
  if (request) {
    // A retry changes nothing: it is answered even while the log takes nothing.
    absl::StatusOr<std::optional<Outcome>> known = recall(*request, operation.kind, operation.options.level);
    if (!known.ok()) co_return known.status();
    if (*known) {
      outcome = **std::move(known);
      written.level = outcome.level;
      applied = true;
      tell_safely(sink, outcome);
    }
  }
  if (const auto shard = store_.try_read_shard(store_.shard_of(key))) shard->prefetch_entry(key);
  while (!applied) {
    Admission admission = journal_->admit(record_bytes_at_most(operation, room), caller.home());
    absl::StatusOr<Ticket> ticket = co_await admission;
    if (!ticket.ok()) co_return ticket.status();
    const absl::StatusOr<Level> level = level_of(*ticket, operation.options.level);
    if (!level.ok()) co_return level.status();
    if (const absl::Status wanted = caller.still_wanted(); !wanted.ok()) co_return wanted;
    if (operation.kind != OperationKind::kDelete) {  // which makes room
      const absl::Status memory = memory_.admit(operation.key.size() + operation.value.size());
      if (!memory.ok()) co_return memory;
    }
    written.times.admission += admission.waited();
    written.level = *level;
    visible_before = visible();
    applied = apply_alone(operation, key, value, request, *std::move(ticket), *level, sink, outcome);
    room = limits_.entry_bytes_max;  // Somebody made the value longer meanwhile: this is enough for any.
  }
  // What changed nothing waits for what it saw as long as a change would: who was told that a key is gone must not find
  // it again after a crash.
  LevelWait wait = answerable(changes_of(outcome), outcome.level, caller.home());
  const absl::Status reached = co_await wait;
  written.times.durability = wait.waited();
  if (!reached.ok()) co_return reached;
  if (!outcome.error.ok()) co_return outcome.error;
  written.applied = outcome.applied;
  written.replayed = outcome.replayed;
  written.revision = outcome.revision != 0 ? outcome.revision
                     : outcome.replayed    ? outcome.logged
                                           : std::max(outcome.shown, visible_before);
  co_return written;
}

Task<absl::StatusOr<Transacted>> Engine::transact(const TransactionRequest& request, Caller& caller,
                                                  TransactionSink& sink) {
  absl::StatusOr<Transacted> done = co_await transact_unsettled(request, caller, sink);
  if (!done.ok()) co_return done;
  const Changes changes{done->revision, done->shown, done->level.value_or(Level::kMemory), done->changed};
  LevelWait wait = answerable(changes, done->level, caller.home());
  const absl::Status reached = co_await wait;
  done->times.durability = wait.waited();
  if (!reached.ok()) co_return reached;
  co_return done;
}

Task<absl::StatusOr<Transacted>> Engine::transact_unsettled(const TransactionRequest& request, Caller& caller,
                                                            TransactionSink& sink) {
  std::optional<Transaction> transaction;
  try {
    transaction.emplace(store_, request);
  } catch (const std::bad_alloc&) {
    co_return no_memory();
  }
  const std::optional<Level> asked = request.options.level;
  const bool writes = transaction->writes();
  const std::size_t added_bytes = std::max(bytes_added_by(request.then), bytes_added_by(request.otherwise));
  std::size_t record_bytes = transaction->record_bytes_now(clock_.now());
  // One that only reads needs nothing to keep it from doing so twice.
  const std::optional<RequestKey> key = writes ? request_key(request) : std::nullopt;
  StageTimes times;
  bool done = false;
  if (key) {
    const absl::StatusOr<std::optional<Outcome>> known = recall(*key, OperationKind::kNone, asked);
    if (!known.ok()) co_return known.status();
    done = known->has_value();
    if (done) transaction->replay(**known, sink);
  }
  while (!done) {
    std::optional<Ticket> ticket;
    if (writes) {
      Admission admission = journal_->admit(record_bytes, caller.home());
      absl::StatusOr<Ticket> admitted = co_await admission;
      if (!admitted.ok()) co_return admitted.status();
      ticket = *std::move(admitted);
      times.admission += admission.waited();
    }
    const absl::StatusOr<Level> level = ticket ? level_of(*ticket, asked) : level_now(*journal_, asked);
    if (!level.ok()) co_return level.status();
    if (const absl::Status wanted = caller.still_wanted(); !wanted.ok()) co_return wanted;
    if (added_bytes != 0) {  // Else it only removes, which makes room.
      const absl::Status memory = memory_.admit(added_bytes);
      if (!memory.ok()) co_return memory;
    }
    const TransactionContext context{.journal = *journal_,
                                     .clock = clock_,
                                     .memory = memory_,
                                     .added_bytes = added_bytes,
                                     .entry_bytes_max = limits_.entry_bytes_max,
                                     .level = *level,
                                     .visible_before = visible(),
                                     .request = key};
    done = transaction->run(std::move(ticket), context, sink) == Transaction::Ran::kDone;
    if (transaction->outcome().replayed) replayed_total_.fetch_add(1, std::memory_order_relaxed);
    // Values grew, here or meanwhile: with a margin, where there is room for one.
    const std::size_t needed = transaction->record_bytes();
    record_bytes = std::max(needed, std::min<std::size_t>(2 * needed, kRecordBytesMax));
  }
  const TransactionOutcome& outcome = transaction->outcome();
  if (expiries_ != nullptr && outcome.revision != 0 && !outcome.replayed && transaction->earliest_expiry() != kNoExpiry)
    expiries_->note(transaction->earliest_expiry());
  co_return Transacted{.error = transaction->error(),
                       .failed_at = transaction->failed_at(),
                       .succeeded = outcome.succeeded,
                       .times = times,
                       .revision = std::max(outcome.revision, outcome.logged),
                       .shown = outcome.shown,
                       .level = writes ? std::optional(outcome.level) : level_of_reader(default_level(), asked),
                       .changed = outcome.revision != 0 && !outcome.replayed};
}

Task<absl::StatusOr<std::size_t>> Engine::expire(std::size_t shard, std::size_t keys_max, Scheduler& home,
                                                 LatenessCounts* lateness) {
  std::vector<std::string> due;
  store_.collect_due(shard, clock_.now(), keys_max, due);
  if (due.empty()) co_return std::size_t{0};
  std::size_t bytes = 0;
  std::size_t fitting = 0;
  while (fitting < due.size() && (fitting == 0 || bytes < kExpireRecordBytes)) {
    bytes += mutation_bytes_at_most(due[fitting++].size(), 0);
  }
  due.resize(fitting);
  absl::StatusOr<Ticket> ticket = co_await journal_->admit(record_bytes_of(bytes, false), home);
  if (!ticket.ok()) co_return ticket.status();

  std::vector<HashedKey> keys(due.begin(), due.end());
  std::vector<Mutation> mutations;
  std::vector<const Entry*> entries;
  mutations.reserve(keys.size());
  entries.reserve(keys.size());
  WriteLock lock = store_.write_shard(shard);
  const UnixMillis now = clock_.now();
  for (const HashedKey& key : keys) {
    const Entry* entry = lock.find_even_due(key);
    if (entry == nullptr || !entry->due(now)) continue;  // Written or removed since it was collected.
    mutations.push_back(removal(MutationKind::kExpire, key.key));
    entries.push_back(entry);
  }
  if (entries.empty()) co_return std::size_t{0};
  const Revision revision = journal_->append(*std::move(ticket), mutations);
  for (const Entry* entry : entries) {
    if (lateness != nullptr) lateness->count(std::chrono::milliseconds(now - entry->expire_at()));
    lock.erase(*entry, revision);
  }
  co_return entries.size();
}

}  // namespace kv
