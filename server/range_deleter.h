// Deletes the keys of a range: a walk finds them, and small records remove them.
//
// Hard part: what a call that touches any number of keys can promise. A record is all or nothing, but it has a bound,
// and a shard must not be locked for long; so the removals go in batches of one shard each, and a crash in the middle
// keeps a prefix of them. What is promised instead: a key that the range held when the call began is gone at its end,
// unless somebody changed it meanwhile; then the change stands. Calling again goes on where an error stopped it.
//
// A request id is therefore remembered twice: when the call begins, with the revision at which it does, and when it has
// ended, with its answer. A retry of one that has ended gets that answer. A retry of one that was cut short, by a crash
// too, removes the rest of what was there then, and nothing that was written since.
//
// Threads:  runs on the thread for walks, and resumes its caller at home.
// Lifetime: as server/engine.h.
// Errors:   an error before the first removal means that nothing was removed; afterwards it is OUTCOME_UNKNOWN, with
//           the number of keys that are gone and the reason why it did not go on. OVERLOADED when as many walks as may
//           be are under way: nothing was done.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine.h"
#include "server/many_requests.h"
#include "store/key_range.h"

namespace kv {

struct RangeDeleted {
  std::uint64_t keys = 0;
  Revision revision = 0;  // of the last removal; 0: none
  Level level = Level::kMemory;
  bool replayed = false;  // an earlier call with the same request id had begun; its keys count when it had ended
};

class RangeDeleter {
 public:
  RangeDeleter(Engine& engine, const RangeDeletion& deletion, Caller& caller);

  // Once. Only while the engine is ready().
  Task<absl::StatusOr<RangeDeleted>> run();

 private:
  Task<absl::Status> go();
  // The two records of a request id. An error: nothing was logged.
  Task<absl::Status> begin_request();
  Task<absl::Status> end_request();
  absl::Status log_beginning(Ticket ticket);
  void log_end(Ticket ticket);
  absl::Status go_on_from(const RememberedRequest& first);

  bool take(const Entry& entry);
  Task<absl::Status> walk_and_remove();
  Task<absl::Status> walk_on(StoreWalk& walk);
  // Once, of a ticket or the journal.
  template <class Source>
  absl::Status choose_level(const Source& source);
  // Removes what was taken.
  Task<absl::Status> remove_batch();
  void append_removals(Ticket ticket);
  // When the answer may be sent.
  Task<absl::Status> tellable();
  absl::Status after(absl::Status error) const;

  Engine& engine_;
  const RangeDeletion& deletion_;
  Caller& caller_;
  std::optional<RequestKey> request_;
  bool ended_ = false;       // the answer is that of an earlier call
  Revision logged_ = 0;      // of the newest record with the request's id
  Revision shown_ = 0;       // of another request's, under the same id
  Revision removed_at_ = 0;  // the last removal of this call
  StoreWalk* walk_ = nullptr;
  Revision began_ = 0;
  std::vector<std::string> keys_;  // of one shard
  std::size_t bytes_ = 0;          // of their mutations
  std::size_t shard_ = 0;
  bool leveled_ = false;
  RangeDeleted deleted_;
};

}  // namespace kv
