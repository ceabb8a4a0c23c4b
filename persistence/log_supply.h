// Keeps what writes need ahead of them: prepared segments, and a revision ceiling that is far enough away.
//
// Hard part: none of it may be used before MANIFEST says so, and none of it may make a write wait on the disk; so a
// thread of its own works ahead. Segments come in groups: create, allocate, write the identity, sync file and
// directory, one MANIFEST for the group; then the strand may take them and admission counts their space.
//
// Threads: all calls from any thread; the keeper is called on the supply's own thread.
// Errors:  out of space: admission is told, and it tries again every second. Anything else fails the journal.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "persistence/journal.h"
#include "persistence/segment_writer.h"

namespace kv {

class JournalCore;

class LogSupply {
 public:
  LogSupply(JournalCore& core, FileSystem& fs, Clock& clock, LogKeeper& keeper);
  ~LogSupply();

  // Asks for a ceiling above `needed`. Allocates nothing: it is called under shard locks.
  void request_ceiling(Revision needed) noexcept;

  // Asks for another group, whatever is prepared: a write waits for more room than there is. The same.
  void request_space() noexcept;

  // Prepares the first group and keeps on supplying. On an error nothing is supplied.
  absl::Status open(std::uint64_t first_number, std::uint64_t segment_bytes);
  void set_segment_bytes(std::uint64_t segment_bytes);
  // The next prepared segment, or null when there is none.
  std::unique_ptr<SegmentWriter> take();
  // Stops supplying. Fills the last three fields.
  void close(LogClosing& closing);
  // Ends the thread.
  void stop();

 private:
  void run();
  bool work_to_do() const noexcept;
  bool group_wanted() const noexcept;
  std::size_t group_size() const noexcept;
  absl::Status raise_ceiling(std::unique_lock<std::mutex>& lock);
  absl::Status sync_directory();
  absl::Status prepare_group(std::unique_lock<std::mutex>& lock);
  absl::Status build(std::uint64_t segment_bytes);

  JournalCore& core_;
  FileSystem& fs_;
  Clock& clock_;
  LogKeeper& keeper_;

  std::mutex mutex_;  // guards the rest; not held over the keeper or the disk
  std::condition_variable work_;
  std::condition_variable done_;
  bool stopping_ = false;
  bool blocked_ = false;  // the disk is full: wait before the next attempt
  Revision ceiling_needed_ = 0;
  bool ceiling_wanted_ = false;
  bool space_wanted_ = false;
  bool open_ = false;
  bool working_ = false;  // a group is being prepared, without the mutex
  bool opening_ = false;
  absl::Status opened_;
  std::uint64_t segment_bytes_ = 0;
  std::uint64_t next_number_ = 0;
  std::deque<std::unique_ptr<SegmentWriter>> built_;  // not yet named in MANIFEST; the working thread's while working_
  std::deque<std::unique_ptr<SegmentWriter>> ready_;

  std::thread thread_;
};

}  // namespace kv
