// A log with segments as rotation leaves them: no used size in MANIFEST, each sealed by its successor alone.
//
// Written by hand, so that a test says where batches end and which watermark each carries.
// Threads: one test thread.
#pragma once

#include <memory>

#include "persistence/segment_writer.h"
#include "store/store.h"
#include "tests/tools/sweep.h"

namespace kv {

class RotatedLog {
 public:
  RotatedLog();

  // The next segment, which seals the one before.
  void segment();
  // So many records, each with two changes: `key` gets a new value, `other` one or none. A batch without records is one
  // that an idle log writes.
  void batch(int records, Revision watermark);
  // The next record is the one behind this revision, as after a start that followed an unclean stop.
  void jump_to(Revision revision) { last_ = revision; }

  Files files() const;
  const StateHistory& history() const { return history_; }

 private:
  FaultyFileSystem fs_;
  StoreId store_id_{};
  std::unique_ptr<SegmentWriter> writer_;
  std::uint64_t count_ = 0;
  Revision last_ = 0;
  Store store_{{.shard_count = 1}};
  StateHistory history_;
};

}  // namespace kv
