// The least that an answer on the disk costs: a thread that writes so many bytes for all who wait, syncs, and tells
// them. No records, no segments, no watermarks: the library, a second thread and the disk alone.
//
// Hard part: it must be no worse than the real log at what they share, or it would be no measure for it. So a poller
// hands over what its calls want with the end of its bunch of events, and the thread takes all there is in one write.
//
// Threads:  write() from any thread. `done` is completed on its scheduler.
// Lifetime: schedulers outlive what waits for them; the destructor ends the thread, and nobody may wait any more.
// Errors:   those of the disk end the program: nothing that was measured would be true.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/completion.h"
#include "core/file_system.h"

namespace kv {

class NullLog {
 public:
  static constexpr std::size_t kRecordBytes =
      176;  // what a Set of 16 bytes with 64 takes in the real log, 27 of them in a write
  static constexpr std::uint64_t kFileBytes = 64 << 20;  // preallocated; then from the front again

  static absl::StatusOr<std::unique_ptr<NullLog>> create(FileSystem& fs, const std::string& path);
  ~NullLog();
  NullLog(const NullLog&) = delete;
  NullLog& operator=(const NullLog&) = delete;

  void write(Completion& done, Scheduler& home);

 private:
  using Waiting = std::vector<std::pair<Scheduler*, Completion*>>;

  explicit NullLog(std::unique_ptr<File> file);
  void hand_over();
  void run();
  absl::Status write_for(std::size_t records);

  const std::unique_ptr<File> file_;
  const std::vector<std::byte> bytes_;
  std::uint64_t used_ = 0;

  std::mutex mutex_;
  std::condition_variable handed_;
  Waiting waiting_;           // guarded by mutex_
  bool handed_over_ = false;  // guarded by mutex_
  bool stopping_ = false;     // guarded by mutex_
  std::thread thread_;
};

}  // namespace kv
