// Deletes the keys of a range: a walk finds them, and small records remove them.
//
// Hard part: what a call that touches any number of keys can promise. A record is all or nothing, but it has a bound,
// and a shard must not be locked for long; so the removals go in batches of one shard each, and a crash in the middle
// keeps a prefix of them. What is promised instead: a key that the range held when the call began is gone at its end,
// unless somebody changed it meanwhile; then the change stands. Calling again goes on where an error stopped it.
//
// Threads:  runs on the thread for walks, and resumes its caller at home.
// Lifetime: as server/engine.h.
// Errors:   an error before the first removal means that nothing was removed; afterwards it is OUTCOME_UNKNOWN, with
// the
//           number of keys that are gone and the reason why it did not go on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine.h"
#include "store/key_range.h"

namespace kv {

struct RangeDeletion {
  KeyRange range;
  std::optional<Level> level;  // empty: what mode and policy give
  bool dry_run = false;        // counts only
};

struct RangeDeleted {
  std::uint64_t keys = 0;
  Revision revision = 0;  // of the last removal; 0: none
  Level level = Level::kMemory;
};

class RangeDeleter {
 public:
  RangeDeleter(Engine& engine, const RangeDeletion& deletion, Caller& caller)
      : engine_(engine), deletion_(deletion), caller_(caller) {}

  // Once. Only while the engine is ready().
  Task<absl::StatusOr<RangeDeleted>> run();

 private:
  bool take(const Entry& entry);
  Task<absl::Status> walk_and_remove(StoreWalk& walk);
  // Removes what was taken.
  Task<absl::Status> remove_batch();
  void append_removals(Ticket ticket);
  absl::Status after(absl::Status error) const;

  Engine& engine_;
  const RangeDeletion& deletion_;
  Caller& caller_;
  StoreWalk* walk_ = nullptr;
  Revision began_ = 0;
  std::vector<std::string> keys_;  // of one shard
  std::size_t bytes_ = 0;          // of their mutations
  std::size_t shard_ = 0;
  bool leveled_ = false;
  RangeDeleted deleted_;
};

}  // namespace kv
