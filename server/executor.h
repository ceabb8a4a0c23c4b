// Carries out one operation while its shard is locked: judged, prepared, numbered, published, in this order.
//
// Hard part: everything that can fail comes before the number, and what the answer shows is copied out between number
// and publication: before it the revision is not known, after it the old entry is gone.
//
// Threads:  under the lock it is given. Lifetime: what it is given outlives the call.
// Errors:   std::bad_alloc before anything has changed; all else is in the decision's outcome.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

#include "persistence/journal.h"
#include "server/decision.h"
#include "server/operation.h"
#include "server/request_key.h"
#include "store/store.h"

namespace kv {

// What the key has now, whatever kind of lock is held; and the newest change that this, or its absence, shows.
struct FoundKey {
  const Entry* entry = nullptr;  // also when it is due
  bool due = false;
  Revision shown = 0;

  SeenKey seen() const noexcept { return {.entry = due ? nullptr : entry}; }
};

template <class Lock>
FoundKey find_key(const Lock& shard, const HashedKey& key, UnixMillis now) noexcept {
  // At time zero nothing is due: the entry is found whatever its expiry, because a miss by expiry shows its version.
  constexpr UnixMillis kBeforeAnyExpiry = 0;
  const Entry* entry = shard.find(key, kBeforeAnyExpiry);
  if (entry == nullptr) return {.shown = shard.last_removal()};
  if (!entry->due(now)) return {.entry = entry, .shown = entry->version()};
  return {.entry = entry, .due = true, .shown = std::max(entry->version(), shard.last_removal())};
}

// A Get of what was found. `visible_before`: Engine::visible(), from before the lock was taken.
void look(const FoundKey& found, const Operation& operation, Revision visible_before, OutcomeSink& sink,
          Outcome& outcome);

struct WriteContext {
  Journal& journal;
  RequestWindow& requests;
  std::size_t entry_bytes_max;
  UnixMillis now;                            // as decide() wants it
  Level level;                               // that the answer will name
  const std::optional<RequestKey>& request;  // no copy: reading back what was just written in parts takes its time
};

// A write, as one record, or the answer of the earlier one with its request id. `value` is the operation's own, hashed
// before the lock was taken; `sink` may be null. False: the ticket is too small for what was found; nothing was changed
// and nobody told.
bool apply(WriteLock& shard, const Operation& operation, const HashedKey& key, const HashedValue& value, Ticket& ticket,
           const WriteContext& context, OutcomeSink* sink, Decision& decision);

// Gives the sink an outcome that changes nothing any more; what it says is the outcome's error. Throws std::bad_alloc.
void tell(OutcomeSink* sink, Outcome& outcome);

// MEMORY_LIMIT: what std::bad_alloc becomes.
[[gnu::cold]] absl::Status no_memory();

// The most that the record of a write takes. For an Append: if the key's value has `present_bytes`.
std::size_t record_bytes_at_most(const Operation& operation, std::size_t present_bytes) noexcept;

}  // namespace kv
