// `import`: lines of JSON as sets, many of them under way at once.
//
// Hard part: where to go on. Answers come in any order; what may be skipped the next time is only what lies before the
// first line that has no answer yet. So the lines in flight are kept in the order of the file, and the offset moves
// over the answered ones at the front. A line may be set twice (because an import was resumed), never left out: what an
// import writes is the same however often it is written. What a confirmed line is worth when the server is started anew
// is for the caller to judge: the result says the lowest level that lines were confirmed with
// (client/cli/import_state.h).
//
// Threads:  run() on one; answers come on the client's.
// Lifetime: everything passed in outlives the importer; it returns when every write that it began has ended.
// Errors:   a line that is wrong or refused ends the import (or is counted, with keep_going); what was confirmed before
//           it stands, and the result says where to go on.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/import_state.h"
#include "client/cli/input.h"
#include "core/progress.h"
#include "kvstore/v1/key_value.pb.h"

namespace kv {

using SetDone = std::function<void(const absl::StatusOr<kvstore::v1::Durability>& confirmed)>;

// Begins a write and calls back once, from another thread, with its level or how it failed. It must not call back after
// the importer. Writes of one key take effect in the order in which they were begun. It may block when kImportWritesMax
// of them, or kImportBytesMax in keys and values, are under way already; a larger one is begun alone.
using BeginSet = std::function<void(kvstore::v1::SetRequest request, SetDone done)>;

inline constexpr std::size_t kImportWritesMax = 4096;
inline constexpr std::size_t kImportBytesMax = std::size_t{16} << 20;

struct ImportOptions {
  ImportState begin = {};  // Where the first line is, and what is known of those before it.
  bool keep_going = false;
  std::string file = {};        // As the state file names it.
  std::string state_path = {};  // Where the place is kept while it runs; empty: nowhere.
  std::function<bool()> interrupted = {};
  // Of each line that was refused, with keep_going; on the thread of run().
  std::function<void(std::uint64_t line, const absl::Status& error)> refused = {};
};

struct ImportResult {
  absl::Status status = absl::OkStatus();
  std::uint64_t entries = 0;  // That are confirmed.
  std::uint64_t refused = 0;
  ImportPlace place = {};  // Every line before it is confirmed, or was refused and counted.
  kvstore::v1::Durability level = kvstore::v1::DURABILITY_DISK;  // The lowest of them.
  std::uint64_t line = 0;  // That ended it, from 1 at `begin` of the options; 0: no line's fault.
};

class Importer {
 public:
  Importer(BeginSet begin_set, ImportOptions options, Progress& progress);
  ImportResult run(LineReader& lines);

 private:
  struct Line {
    std::uint64_t number = 0;
    std::size_t bytes = 0;
    ImportPlace end = {};  // Behind it.
    bool ended = false;
    bool good = false;
    kvstore::v1::Durability level = kvstore::v1::DURABILITY_UNSPECIFIED;  // Of one that is good.
  };

  bool submit_line(const std::string& text, const ImportPlace& end);
  void refuse_line(std::uint64_t number, const absl::Status& error);  // mutex_ held
  void answered(std::uint64_t number, const absl::StatusOr<kvstore::v1::Durability>& confirmed);
  // Waits until done() of what is in flight. False: something ended the import.
  bool wait_until(const std::function<bool()>& done);
  // After a line that was refused: until everything before it is answered, so that the offset is that line's.
  void settle();
  // What came to pass since the last time: the bar, the state file, the refused lines.
  void report(bool save_now);
  void save_state(const ImportState& state);
  void advance();  // mutex_ held

  const BeginSet begin_set_;
  const ImportOptions options_;
  Progress& progress_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Line> in_flight_;                                    // guarded by mutex_; the front is not answered
  std::size_t unanswered_ = 0;                                    // guarded by mutex_
  std::size_t unanswered_bytes_ = 0;                              // guarded by mutex_; keys and values
  std::uint64_t first_number_ = 1;                                // guarded by mutex_; of the front
  ImportResult result_;                                           // guarded by mutex_
  std::vector<std::pair<std::uint64_t, absl::Status>> refusals_;  // guarded by mutex_; not reported yet
  std::chrono::steady_clock::time_point saved_{};
};

}  // namespace kv
