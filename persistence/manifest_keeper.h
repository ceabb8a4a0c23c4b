// The one writer of MANIFEST: every change of it is one replacement of the file, durable before it is true.
//
// Hard part: a failed fsync or rename leaves it open which text the disk holds. So it is final, as it is for the log:
// every later update fails, and the owner is told once. Running out of space before the fsync changes nothing and may
// be tried again.
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
  // Called at most once, by the update() that fails for good. Set it before there are other threads.
  void on_failure(std::function<void(const absl::Status&)> tell) { tell_failure_ = std::move(tell); }

 private:
  // `final` says whether the old text may be gone.
  absl::Status replace(const std::string& text, bool& final);
  void fail(const absl::Status& why);

  FileSystem& fs_;
  Clock& clock_;
  const std::string directory_;
  std::function<void(const absl::Status&)> tell_failure_;

  std::mutex writing_;  // one update at a time

  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Manifest> current_;
  absl::Status failure_;
};

}  // namespace kv
