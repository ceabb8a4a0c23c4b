// The one writer of MANIFEST: every change of it is one replacement of the file, durable before it is true.
//
// Hard part: a failed fsync is final, as it is for the log: every later update fails, and the owner is told once. One
// that fails from the rename on leaves it open, besides, which text the next start finds. Running out of space before
// the fsync changes nothing and may be tried again.
//
// Threads: all calls from any thread; updates take turns. `change` runs under the keeper's lock: it only edits.
// Errors:  update() names the path; failure() is the final one.
// Source:  docs/formats/manifest.md, "How it is replaced".
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "core/clock.h"
#include "core/file_system.h"
#include "persistence/manifest.h"

namespace kv {

class ManifestKeeper {
 public:
  // `current` is what the file holds; with generation 0 there is no file yet.
  ManifestKeeper(FileSystem& fs, Clock& clock, std::string directory, Manifest current);

  // What the disk holds. Never a text that is not durable.
  std::shared_ptr<const Manifest> get() const;
  // Applies `change` to a copy, raises its generation, replaces the file; after OK the copy is what get() returns.
  absl::Status update(const std::function<void(Manifest&)>& change);

  absl::Status failure() const;
  // The next start may find a text that get() never returned.
  bool in_doubt() const;
  // Returns when an update that is under way has ended.
  void await_update() const { std::lock_guard turn(writing_); }
  // Called at most once, by the update() that fails for good. Set it before there are other threads.
  void on_failure(std::function<void(const absl::Status&)> tell) { tell_failure_ = std::move(tell); }

 private:
  // What a replacement that failed has left: the old text, to be replaced by another attempt, or for good, or nobody
  // knows which.
  enum class Left { kOld, kOldForGood, kEither };
  absl::Status replace(const std::string& text, Left& left);
  void fail(const absl::Status& why, Left left);

  FileSystem& fs_;
  Clock& clock_;
  const std::string directory_;
  std::function<void(const absl::Status&)> tell_failure_;

  mutable std::mutex writing_;  // one update at a time

  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Manifest> current_;
  absl::Status failure_;
  bool in_doubt_ = false;
};

}  // namespace kv
