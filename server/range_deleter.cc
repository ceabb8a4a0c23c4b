#include "server/range_deleter.h"

#include <chrono>
#include <new>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"

namespace kv {
namespace {

constexpr std::size_t kBatchKeys = 128;
constexpr std::size_t kBatchBytes = 256 << 10;
constexpr std::chrono::hours kNoHurry{24};

}  // namespace

Task<absl::StatusOr<RangeDeleted>> RangeDeleter::run() {
  co_await engine_.walks().turn();
  began_ = engine_.applied();
  StoreWalk walk(engine_.store(), engine_.clock(),
                 {.range = deletion_.range, .budget_bytes = engine_.limits().scan_budget_bytes});
  walk_ = &walk;
  const absl::Status walked = co_await walk_and_remove(walk);
  co_await engine_.walks().let_go(walk);
  co_await resume_on(caller_.home());
  if (!walked.ok()) co_return after(walked);
  Journal& journal = engine_.journal();
  if (deleted_.revision == 0) {
    // That nothing is there, or how much, is as old as what was applied when it was seen.
    const Revision shown = engine_.applied();
    if (!engine_.must_wait(shown)) co_return deleted_;
    const absl::Status readable = co_await journal.wait_readable(shown, caller_.home());
    if (!readable.ok()) co_return readable;
    co_return deleted_;
  }
  const absl::Status reached = co_await journal.wait_written(deleted_.revision, deleted_.level, caller_.home());
  if (!reached.ok()) co_return reached;
  co_return deleted_;
}

Task<absl::Status> RangeDeleter::walk_and_remove(StoreWalk& walk) {
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
  if (!std::exchange(leveled_, true)) {
    deleted_.level = deletion_.level.value_or(ticket->default_level());
    if (deletion_.level) {
      if (const absl::Status possible = ticket->check_level(*deletion_.level); !possible.ok()) co_return possible;
    }
  }
  if (const absl::Status wanted = caller_.still_wanted(); !wanted.ok()) co_return wanted;
  try {
    append_removals(*std::move(ticket));
  } catch (const std::bad_alloc&) {
    co_return error(Reason::kMemoryLimit, "no memory for this; nothing was changed");
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
  deleted_.revision = engine_.journal().append(std::move(ticket), mutations);
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
