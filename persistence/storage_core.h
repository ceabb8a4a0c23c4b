// What the parts of Storage share: the directory, MANIFEST, the journal, the settings in force, and which closed
// segments there are.
//
// Threads:  references and pointers are constant once open() has returned; settings() and the segment list guard
//           themselves.
// Lifetime: members are destroyed from the bottom up: the journal before the MANIFEST it reports to.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/file_system.h"
#include "persistence/data_directory.h"
#include "persistence/journal.h"
#include "persistence/manifest_keeper.h"
#include "persistence/retention.h"
#include "persistence/storage.h"
#include "store/store.h"

namespace kv {

class StorageCore {
 public:
  StorageCore(FileSystem& fs, Clock& clock, Store& store, StorageOptions options)
      : fs(fs), clock(clock), store(store), options(std::move(options)) {}

  FileSystem& fs;
  Clock& clock;
  Store& store;
  const StorageOptions options;
  std::unique_ptr<DataDirectory> directory;
  std::unique_ptr<ManifestKeeper> keeper;
  std::unique_ptr<Journal> journal;
  // From the begin of a stop or of the destructor on: nothing new is started, and nothing is given up for good.
  std::atomic<bool> stopping{false};
  // A switch of modes waits for its turn: snapshots give way to it.
  std::atomic<bool> switch_waits{false};
  // For stopping to begin, at most so long; whether it has.
  bool wait_for_stop(std::chrono::milliseconds most);
  void begin_stop();

  void info(const std::string& text) const { options.log(0, text); }
  void warn(const std::string& text) const { options.log(1, text); }
  void alarm(const std::string& text) const { options.log(2, text); }

  Settings settings() const;
  // Those in force; tells the journal.
  void adopt(const Settings& settings);

  // The closed segments that MANIFEST names, oldest first: those of logs that were closed before, then the journal's.
  std::vector<ClosedSegment> closed_segments() const;
  // Bytes of log that a start would read.
  std::uint64_t log_bytes() const;
  // The log was closed (or loaded at start): from now on these are remembered here.
  void remember_closed(std::vector<ClosedSegment> segments);

  // Segments from this number on were prepared for a log that is closed: the MANIFEST that names the next ones drops
  // them. 0: none. An unused segment between used ones would end the log at the next start.
  std::atomic<std::uint64_t> unused_segments_from{0};

  // The lowest segment number that no file has or had.
  std::uint64_t next_segment() const;
  void raise_next_segment(std::uint64_t number);

  // Removes and moves what a durable MANIFEST has dropped. What fails is logged, and done at the next start.
  void retire(const Retired& retired);
  void remove_segments(std::uint64_t first, std::uint64_t last);

  // What could not be tidied up is left for the next start, which the log says.
  void report_failed(const absl::Status& status) const;

 private:
  void remove_file(const std::string& path);

  std::condition_variable stop_begins_;
  mutable std::mutex mutex_;
  Settings settings_;
  std::vector<ClosedSegment> remembered_;
  std::uint64_t next_segment_ = 1;
};

LogSettings log_settings(const Settings& settings);

}  // namespace kv
