// Many operations that are not one change: each takes effect by itself, but their keys are hashed together, their
// shards locked once for all their operations, and the log is asked for room for many at once.
//
// Hard part: operations on one key keep their order; others need none. So they are sorted by shard, and within a shard
// stay as they were. Each write is a record of its own, appended while its shard is locked.
//
// Threads:  one at a time. Lifetime: the operations' bytes outlive the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "server/executor.h"
#include "server/operation.h"
#include "store/store.h"

namespace kv {

// One operation, and what came of it. The sink was told of those without an error.
struct BatchItem {
  explicit BatchItem(const Operation& asked) : operation(asked) {}

  Operation operation;
  absl::Status error;     // set before it runs, it keeps the operation from running
  Revision revision = 0;  // of its change; 0: nothing changed
  Revision logged = 0;    // of the record that remembers its request id
  bool replayed = false;  // both are those of an earlier write with its request id
  Revision shown = 0;     // the newest change of others that its answer shows
  Level level = Level::kMemory;
};

// OutcomeSink of the item that was named last.
class BatchSink : public OutcomeSink {
 public:
  virtual void begin(std::size_t item) noexcept = 0;
  // So many items that just ran have an error, which takes memory until they go.
  virtual void failed(std::size_t items) noexcept { (void)items; }

 protected:
  ~BatchSink() = default;
};

class Batch {
 public:
  // Throws std::bad_alloc, as plan() does.
  BatchItem& add(const Operation& operation) { return items_.emplace_back(operation); }
  std::size_t size() const noexcept { return items_.size(); }
  BatchItem& operator[](std::size_t item) noexcept { return items_[item]; }
  const BatchItem& operator[](std::size_t item) const noexcept { return items_[item]; }
  // Empty again; gives back memory that an ordinary message does not need.
  void clear() noexcept;

  // What it takes once it is planned, its errors not counted.
  std::size_t memory_bytes() const noexcept {
    return items_.capacity() * sizeof(BatchItem) + items_.size() * (2 * sizeof(Step) + 2 * sizeof(order_.front()));
  }

  // Hashes and sorts what was added, but for items with an error.
  void plan(const Store& store);

  // What a window's records and the copies that were planned may take together, but for its first step; and all copies
  // that it makes, but for the last of them. Far below what the journal's queue holds, so that one stream does not keep
  // others waiting.
  static constexpr std::size_t kWindowBytes = std::size_t{1} << 20;

  // What is carried out under one admission: steps begin to end, in the order of the plan.
  struct Window {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::uint32_t writes = 0;
    std::size_t record_bytes = 0;  // of all of them together, at most
    std::size_t copied_bytes = 0;  // of values that are there and get another expiry, which no record holds
  };
  std::size_t steps() const noexcept { return steps_.size(); }
  // Asks for the memory that the keys of the next steps will touch, some keys at once instead of key after key: what a
  // cache miss costs is then paid once, not for each. Shards that are being written to are left out; nothing depends on
  // it. Gives the step that it came to. Locks shards for reading: the caller holds none.
  std::size_t prefetch(std::size_t begin, std::size_t end, const Store& store) const noexcept;
  Window window(std::size_t begin, const Store& store, UnixMillis now, std::size_t present_bytes_at_least) const;

  struct Step {
    std::uint32_t shard;
    std::uint32_t item;
    bool writes;
    HashedKey key;
    std::uint64_t value_hash;
  };
  // In the order of the plan.
  const Step& step(std::size_t number) const noexcept { return steps_[number]; }
  // Where the steps of this step's shard end.
  std::size_t group_end(std::size_t begin, std::size_t limit) const noexcept;

 private:
  static constexpr unsigned kShardShift = 32;

  void sort_many(std::size_t shards);

  std::vector<BatchItem> items_;
  std::vector<Step> steps_;
  // Of plan() alone.
  std::vector<Step> unsorted_;        // in the order of the items
  std::vector<std::uint64_t> order_;  // the shard, and below it the step
  std::vector<std::uint64_t> sorted_;
};

}  // namespace kv
