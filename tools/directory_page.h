// The data directory as it lies there: held against a running server, listed, and nothing in it touched.
//
// Threads: one. Lifetime: the lock is held until this is destroyed, so that no server starts meanwhile.
// Errors:  FAILED_PRECONDITION when a server runs on it; NOT_FOUND when there is no such directory.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "tools/manifest_page.h"
#include "tools/side_files_page.h"

namespace kv::tools {

struct Listing {
  bool manifest = false;
  std::set<std::uint64_t> segments;
  std::set<std::uint64_t> snapshots;
  std::vector<std::string> temporaries;  // paths below the directory, named as ours are
  std::set<std::uint64_t> past;
  bool past_has_files = false;
  bool set_aside = false;              // SET_ASIDE is there
  std::vector<std::string> accepted;   // names of RECOVERY.TOKEN
  std::vector<std::string> strangers;  // paths below the directory
  bool has_data() const { return !segments.empty() || !snapshots.empty() || past_has_files; }
};

class DirectoryPage {
 public:
  static absl::StatusOr<std::unique_ptr<DirectoryPage>> open(FileSystem& fs, const std::string& path);

  const std::string& path() const noexcept { return path_; }
  std::string log_folder() const;
  std::string segment(std::uint64_t number) const;
  std::string snapshot(std::uint64_t number) const;
  std::string past(std::uint64_t number) const;
  std::string manifest() const;
  std::string set_aside() const;
  // The path without the directory in front.
  std::string below(const std::string& path) const;

  absl::StatusOr<Listing> list() const;
  // Nothing when there is none.
  absl::StatusOr<std::optional<ManifestPage>> read_manifest() const;
  // Those that the listing has found.
  absl::StatusOr<std::vector<FileSetAside>> read_set_aside(const Listing& listing) const;
  absl::StatusOr<AcceptedLoss> read_accepted(const std::string& name, const StoreId& store) const;
  // Files in aof/ and snapshots/ that MANIFEST does not name: ours, which a start removes; others, which it leaves.
  struct Unnamed {
    std::vector<std::string> ours, strangers;
  };
  absl::StatusOr<Unnamed> unnamed(const Listing& listing, const ManifestPage& page) const;

 private:
  DirectoryPage(FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  absl::Status lock();
  // Damage when it is larger than it may be.
  absl::StatusOr<std::string> read_text(const std::string& path, std::uint64_t bytes_max) const;
  absl::StatusOr<std::vector<DirectoryEntry>> list_folder(const std::string& below) const;

  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<File> lock_;
};

// Whether a file named like ours carries this store id, or no header at all.
absl::StatusOr<bool> carries(FileSystem& fs, const std::string& path, const StoreId& id);

}  // namespace kv::tools
