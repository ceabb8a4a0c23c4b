// The data directory: made, locked, listed, and kept free of what a crash left behind.
//
// Hard part: telling our files from those of others. A file is ours when its name has the pattern and its header our
// store id; a file whose header was never written (all zeros, or too short) is ours by its name. Everything else is a
// stranger: reported, never touched.
//
// Threads:  one at a time, but for sync_log().
// Lifetime: the lock is held until this is destroyed; the file system outlives it.
// Errors:   open() carries the fact "exit": 4 when another process holds the lock, 1 when it cannot be written.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "persistence/manifest.h"

namespace kv {

// What lies in the directory, by name alone.
struct DirectoryListing {
  bool manifest = false;
  std::set<std::uint64_t> segments;
  std::set<std::uint64_t> snapshots;
  std::vector<std::string> temporaries;  // paths below the directory, named as we name them
  std::uint64_t highest_temporary = 0;   // the highest number in such a name
  std::set<std::uint64_t> past;          // folders
  bool past_has_files = false;
  std::vector<std::string> strangers;  // paths below the directory

  bool has_data() const noexcept { return !segments.empty() || !snapshots.empty() || past_has_files; }
};

class DataDirectory {
 public:
  // Makes the directory when it is missing, takes the lock, calls `when_locked` unless it is empty (its error is
  // open()'s), and makes the folders that are missing.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> open(FileSystem& fs, const std::string& path,
                                                             const std::function<absl::Status()>& when_locked = {});

  const std::string& path() const noexcept { return path_; }
  std::string log_path() const { return path_ + "/aof"; }
  std::string snapshots_path() const { return path_ + "/snapshots"; }
  std::string past_path() const { return path_ + "/past"; }
  std::string past_path(std::uint64_t number) const;
  std::string segment_path(std::uint64_t number) const;
  std::string snapshot_path(std::uint64_t number) const;

  absl::StatusOr<DirectoryListing> list() const;

  // Removes what is ours and `manifest` does not name, moves to past/ what it says belongs there, and returns the
  // strangers. Only after `manifest` is durable and loaded.
  absl::StatusOr<std::vector<std::string>> sweep(const Manifest& manifest);

  // Moves the files of one past generation into its folder; those that are there already stay. Synced.
  absl::Status move_to_past(const PastGeneration& past);
  // Makes the names in the log's directory durable. From any thread, one at a time; after one that failed all fail: the
  // names that it lost are on no list, and whoever asks next would be told OK. One that found no descriptor was none.
  absl::Status sync_log();
  // Removes such a folder with what is ours in it.
  absl::Status remove_past(std::uint64_t number, const StoreId& store_id);

 private:
  DataDirectory(FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  absl::Status lock();
  absl::Status make_folders(bool made);
  absl::Status not_usable(const absl::Status& why) const;
  absl::Status remove_if_ours(const std::string& path, const StoreId& store_id, std::vector<std::string>& strangers);
  absl::Status move_file(const std::string& from, const std::string& to);

  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<File> lock_;
  std::mutex log_mutex_;
  absl::Status log_failure_;  // guarded by log_mutex_
};

}  // namespace kv
