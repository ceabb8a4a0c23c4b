#include "server/range_deleter.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"

namespace kv {
namespace {

constexpr std::size_t kBatchKeys = 128;
constexpr std::size_t kBatchBytes = 256 << 10;
constexpr std::chrono::hours kNoHurry{24};

}  // namespace

RangeDeleter::RangeDeleter(Engine& engine, const RangeDeletion& deletion, Caller& caller)
    : engine_(engine), deletion_(deletion), caller_(caller) {
  const std::optional<RequestId>& id = deletion.options.request_id;
  if (id && !deletion.dry_run) request_ = request_key(deletion.range, *id);  // Counting twice does no harm.
}

Task<absl::StatusOr<RangeDeleted>> RangeDeleter::run() {
  const absl::StatusOr<WalkBound::Place> place = engine_.walk_bound().take();
  if (!place.ok()) co_return place.status();
  co_await engine_.walks().turn();
  began_ = engine_.applied();
  absl::Status done = co_await go();
  co_await resume_on(caller_.home());
  if (!done.ok() && shown_ == 0) co_return after(std::move(done));
  const absl::Status told = co_await tellable();
  if (!told.ok()) co_return told;
  if (!done.ok()) co_return done;
  co_return deleted_;
}

// Resumes on the thread for walks.
Task<absl::Status> RangeDeleter::go() {
  Journal& journal = engine_.journal();
  // Before the walk, which may be long and find nothing. What removes asks again, with its ticket.
  const bool asked = deletion_.options.level.has_value() && !deletion_.dry_run;
  if (const absl::Status given = asked ? journal.check_level(*deletion_.options.level) : absl::OkStatus(); !given.ok())
    co_return given;
  if (request_) {
    const absl::Status begun = co_await begin_request();
    if (!begun.ok() || ended_) co_return begun;
  }
  const absl::Status walked = co_await walk_and_remove();
  if (!walked.ok()) co_return walked;
  if (request_) co_return co_await end_request();
  co_return deletion_.dry_run ? absl::OkStatus() : choose_level(journal);  // When there was nothing to remove.
}

Task<absl::Status> RangeDeleter::tellable() {
  Journal& journal = engine_.journal();
  Scheduler& home = caller_.home();
  if (removed_at_ != 0) co_return co_await journal.wait_written(std::max(removed_at_, logged_), deleted_.level, home);
  if (logged_ != 0) co_return co_await journal.wait_reached(logged_, deleted_.level, home);
  // That nothing is there, or how much, is as old as what was applied when it was seen.
  const Revision shown = shown_ != 0 ? shown_ : engine_.applied();
  if (deletion_.options.level && !deletion_.dry_run)
    co_return co_await journal.wait_reached(shown, deleted_.level, home);
  if (!engine_.must_wait(shown)) co_return absl::OkStatus();
  co_return co_await journal.wait_readable(shown, home);
}

// ---- The request id ---------------------------------------------------------------------------------------------

Task<absl::Status> RangeDeleter::begin_request() {
  Journal& journal = engine_.journal();
  if (const auto known = engine_.store().requests().find(request_->id, engine_.clock().now())) {
    // As for any retry: answered even while the log takes nothing.
    if (absl::Status level = choose_level(journal); !level.ok()) co_return level;
    co_return go_on_from(*known);
  }
  absl::StatusOr<Ticket> ticket = co_await journal.admit(record_bytes_of(0, true), engine_.walks());
  if (!ticket.ok()) co_return ticket.status();
  if (absl::Status level = choose_level(*ticket); !level.ok()) co_return level;
  if (absl::Status wanted = caller_.still_wanted(); !wanted.ok()) co_return wanted;
  try {
    co_return log_beginning(*std::move(ticket));
  } catch (const std::bad_alloc&) {
    co_return no_memory();
  }
}

absl::Status RangeDeleter::log_beginning(Ticket ticket) {
  RequestWindow& window = engine_.store().requests();
  const WriteLock any = engine_.store().write_shard(0);  // a claim needs the lock of some shard
  RequestClaim claim = window.claim(request_->id, engine_.clock().now());
  if (claim.first()) return go_on_from(*claim.first());
  began_ = engine_.applied();
  const RequestBlock block{
      .id = request_->id, .request_hash = request_->hash, .value = static_cast<std::int64_t>(began_)};
  logged_ = engine_.journal().append(std::move(ticket), {}, &block);
  claim.remember(block, logged_);
  return absl::OkStatus();
}

absl::Status RangeDeleter::go_on_from(const RememberedRequest& first) {
  const RequestBlock& block = first.block;
  if (block.request_hash != request_->hash) {
    shown_ = first.revision;
    return reused();
  }
  deleted_.replayed = true;
  logged_ = first.revision;
  ended_ = block.created;
  if (ended_) {
    deleted_.keys = block.added;
    deleted_.revision = static_cast<Revision>(block.value);
  } else {
    began_ = static_cast<Revision>(block.value);
  }
  return absl::OkStatus();
}

Task<absl::Status> RangeDeleter::end_request() {
  absl::StatusOr<Ticket> ticket = co_await engine_.journal().admit(record_bytes_of(0, true), engine_.walks());
  if (!ticket.ok()) co_return ticket.status();
  try {
    log_end(*std::move(ticket));
  } catch (const std::bad_alloc&) {
    co_return no_memory();
  }
  co_return absl::OkStatus();
}

void RangeDeleter::log_end(Ticket ticket) {
  RequestWindow& window = engine_.store().requests();
  const WriteLock any = engine_.store().write_shard(0);
  RequestClaim claim = window.claim(request_->id, engine_.clock().now());
  const std::optional<RememberedRequest>& first = claim.first();
  // It has left the window meanwhile, and the id came back as another request's.
  if (first && first->block.request_hash != request_->hash) return;
  RequestBlock block{.id = request_->id, .request_hash = request_->hash, .created = true};
  block.added = deleted_.keys;
  block.value = static_cast<std::int64_t>(deleted_.revision);
  if (first && first->block.created) {  // A duplicate that came at the same time has removed the others.
    block.added += first->block.added;
    block.value = std::max(block.value, first->block.value);
  }
  block.applied = block.value != 0;
  logged_ = engine_.journal().append(std::move(ticket), {}, &block);
  if (first) {
    claim.amend(block, logged_);
  } else {
    claim.remember(block, logged_);
  }
  deleted_.keys = block.added;
  deleted_.revision = static_cast<Revision>(block.value);
}

// ---- The walk ---------------------------------------------------------------------------------------------------

Task<absl::Status> RangeDeleter::walk_and_remove() {
  StoreWalk walk(engine_.store(), engine_.clock(),
                 {.range = deletion_.range, .budget_bytes = engine_.limits().scan_budget_bytes});
  walk_ = &walk;
  const absl::Status walked = co_await walk_on(walk);
  co_await engine_.walks().let_go(walk);
  co_return walked;
}

Task<absl::Status> RangeDeleter::walk_on(StoreWalk& walk) {
  const StoreWalk::Show show = [this](const Entry& entry) { return take(entry); };
  while (true) {
    const auto step = co_await engine_.walks().walk_on(walk, show, caller_, kNoHurry);
    if (!step.ok()) co_return step.status();
    if (!keys_.empty()) {
      const absl::Status removed = co_await remove_batch();
      if (!removed.ok()) co_return removed;
    }
    if (*step == StoreWalk::Step::kEnd) co_return absl::OkStatus();
    if (const absl::Status ready = engine_.ready(); !ready.ok()) co_return ready;
  }
}

template <class Source>
absl::Status RangeDeleter::choose_level(const Source& source) {
  if (std::exchange(leveled_, true)) return absl::OkStatus();
  const std::optional<Level>& asked = deletion_.options.level;
  deleted_.level = asked.value_or(source.default_level());
  return asked ? source.check_level(*asked) : absl::OkStatus();
}

// Under the shard's lock. A batch is of one shard.
bool RangeDeleter::take(const Entry& entry) {
  if (entry.version() > began_) return true;
  if (deletion_.dry_run) {
    ++deleted_.keys;
    return true;
  }
  if (keys_.size() == kBatchKeys || bytes_ > kBatchBytes || (!keys_.empty() && shard_ != walk_->shard())) return false;
  shard_ = walk_->shard();
  keys_.emplace_back(entry.key());
  bytes_ += mutation_bytes_at_most(entry.key().size(), 0);
  return true;
}

// Resumes on the thread for walks.
Task<absl::Status> RangeDeleter::remove_batch() {
  absl::StatusOr<Ticket> ticket = co_await engine_.journal().admit(record_bytes_of(bytes_, false), engine_.walks());
  if (!ticket.ok()) co_return ticket.status();
  if (const absl::Status level = choose_level(*ticket); !level.ok()) co_return level;
  if (const absl::Status wanted = caller_.still_wanted(); !wanted.ok()) co_return wanted;
  try {
    append_removals(*std::move(ticket));
  } catch (const std::bad_alloc&) {
    co_return no_memory();
  }
  keys_.clear();
  bytes_ = 0;
  co_return absl::OkStatus();
}

// What was changed since the call began stays, and so does what is gone already.
void RangeDeleter::append_removals(Ticket ticket) {
  const std::vector<HashedKey> keys(keys_.begin(), keys_.end());
  std::vector<Mutation> mutations;
  std::vector<const Entry*> entries;
  mutations.reserve(keys.size());
  entries.reserve(keys.size());
  WriteLock lock = engine_.store().write_shard(shard_);
  const UnixMillis now = engine_.clock().now();
  std::uint64_t removed = 0;
  for (const HashedKey& key : keys) {
    const Entry* entry = lock.find_even_due(key);
    if (entry == nullptr || entry->version() > began_) continue;
    const bool due = entry->due(now);
    mutations.push_back({.kind = due ? MutationKind::kExpire : MutationKind::kDelete, .key = key.key, .value = {}});
    entries.push_back(entry);
    removed += due ? 0 : 1;
  }
  if (entries.empty()) return;
  removed_at_ = deleted_.revision = engine_.journal().append(std::move(ticket), mutations);
  for (const Entry* entry : entries) lock.erase(*entry, deleted_.revision);
  deleted_.keys += removed;
}

// What an error means to the caller.
absl::Status RangeDeleter::after(absl::Status error) const {
  if (deleted_.revision == 0) return error;
  return kv::error(Reason::kOutcomeUnknown,
                   fmt::format("{} keys were deleted, then it could not go on ({}); calling again does the rest",
                               deleted_.keys, message_of(error)),
                   {{"deleted", std::to_string(deleted_.keys)}, {"reason", reason_of(error)}});
}

}  // namespace kv
