#include "persistence/data_directory.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/file_ownership.h"
#include "persistence/format/log_format.h"
#include "persistence/format/manifest_format.h"
#include "persistence/format/side_files.h"
#include "persistence/format/snapshot_format.h"
#include "persistence/segment_writer.h"

namespace kv {
namespace {

constexpr std::uint64_t kLockBytesMax = 64;

absl::Status with_exit(absl::Status status, int code) {
  return with_fact(std::move(status), "exit", std::to_string(code));
}

std::string past_name(std::uint64_t number) { return fmt::format("{:04}", number); }

std::optional<std::uint64_t> past_number(std::string_view name) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (failure != std::errc() || end != name.data() + name.size() || past_name(number) != name) return std::nullopt;
  return number;
}

// The directory in which `path` is a name.
std::string parent_of(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return std::string(path.substr(0, std::max<std::size_t>(slash, 1)));
}

absl::Status make_if_missing(FileSystem& fs, const std::string& path) {
  const absl::Status made = fs.make_directory(path);
  return errno_of(made) == EEXIST ? absl::OkStatus() : made;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::open(FileSystem& fs, const std::string& path,
                                                                   const std::function<absl::Status()>& when_locked) {
  std::unique_ptr<DataDirectory> directory(new DataDirectory(fs, path));
  const absl::Status made = fs.make_directory(path);
  if (!made.ok() && errno_of(made) != EEXIST) return directory->not_usable(made);
  if (absl::Status locked = directory->lock(); !locked.ok()) return locked;
  if (when_locked) {
    if (absl::Status ready = when_locked(); !ready.ok()) return ready;
  }
  if (absl::Status ready = directory->make_folders(made.ok()); !ready.ok()) return directory->not_usable(ready);
  return directory;
}

// Until there is a MANIFEST, an earlier start may have made all this and not have come as far as to sync it: it was
// killed, or the sync failed, after which the next one would be called a success without saving anything. So the parent
// is synced again, and folders in which nothing lies are made anew.
absl::Status DataDirectory::make_folders(bool made) {
  const absl::StatusOr<bool> begun = fs_.exists(fmt::format("{}/{}", path_, kManifestName));
  if (!begun.ok()) return begun.status();
  if (!*begun) {
    const absl::Status synced = fs_.sync_directory(parent_of(path_));
    // Whoever made a directory in a place that is not ours to open has answered for its name.
    const bool not_ours = !made && errno_of(synced) == EACCES;
    if (!synced.ok() && !not_ours) return synced;
  }
  for (const std::string& folder : {log_path(), snapshots_path(), past_path()}) {
    if (!*begun) fs_.remove_directory(folder).IgnoreError();  // It is not there, or not empty.
    if (absl::Status ready = make_if_missing(fs_, folder); !ready.ok()) return ready;
  }
  return fs_.sync_directory(path_);
}

absl::Status DataDirectory::not_usable(const absl::Status& why) const {
  // Who owns it helps the person who mounted it, and only them: this is no access to data.
  struct stat info;
  std::string owner;
  if (::stat(path_.c_str(), &info) == 0) {
    owner = fmt::format("; it belongs to user id {}, this process runs as {}", info.st_uid, ::geteuid());
  }
  const std::string text = fmt::format("data directory {} cannot be used: {}{}", path_, message_of(why), owner);
  return with_exit(absl::FailedPreconditionError(text), 1);
}

absl::Status DataDirectory::lock() {
  const std::string path = fmt::format("{}/{}", path_, kLockName);
  auto file = fs_.create(path);
  if (errno_of(file.status()) == EEXIST) file = fs_.open(path, FileSystem::Open::kReadWrite);
  if (!file.ok()) return not_usable(file.status());
  const absl::StatusOr<bool> locked = (*file)->try_lock();
  if (!locked.ok()) return not_usable(locked.status());
  if (!*locked) {
    std::string holder = read_file(fs_, path, kLockBytesMax).value_or("");
    std::erase(holder, '\n');
    const std::string text = fmt::format("data directory {} is in use by another process{}{}", path_,
                                         holder.empty() ? "" : ": process id ", holder);
    return with_exit(absl::FailedPreconditionError(text), 4);
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  absl::Status written = (*file)->truncate(0);
  if (written.ok()) written = write_all_at(**file, as_bytes(pid), 0);
  if (!written.ok()) return not_usable(written);
  lock_ = *std::move(file);
  return absl::OkStatus();
}

std::string DataDirectory::past_path(std::uint64_t number) const {
  return fmt::format("{}/{}", past_path(), past_name(number));
}
std::string DataDirectory::segment_path(std::uint64_t number) const {
  return fmt::format("{}/{}", log_path(), segment_name(number));
}
std::string DataDirectory::snapshot_path(std::uint64_t number) const {
  return fmt::format("{}/{}", snapshots_path(), snapshot_format::file_name(number));
}

absl::StatusOr<DirectoryListing> DataDirectory::list() const {
  DirectoryListing result;
  const auto stranger = [&](std::string_view folder, const std::string& name) {
    result.strangers.push_back(fmt::format("{}{}", folder, name));
  };
  // The number in a name, a temporary's too.
  const auto classify = [&](const std::string& folder, auto number_of,
                            std::set<std::uint64_t>& numbers) -> absl::Status {
    const auto entries = fs_.list(path_ + "/" + folder);
    if (!entries.ok()) return entries.status();
    for (const DirectoryEntry& entry : *entries) {
      std::string_view name = entry.name;
      const bool temporary = name.ends_with(kTemporarySuffix);
      if (temporary) name.remove_suffix(kTemporarySuffix.size());
      const auto number = number_of(name);
      if (!number || entry.is_directory) {
        stranger(folder + "/", entry.name);
      } else if (temporary) {
        result.temporaries.push_back(folder + "/" + entry.name);
        result.highest_temporary = std::max(result.highest_temporary, *number);
      } else {
        numbers.insert(*number);
      }
    }
    return absl::OkStatus();
  };

  const auto top = fs_.list(path_);
  if (!top.ok()) return top.status();
  for (const DirectoryEntry& entry : *top) {
    if (entry.name == kManifestName) {
      result.manifest = true;
    } else if (entry.name != kLockName && entry.name != "MANIFEST.tmp" && entry.name != "aof" &&
               entry.name != "snapshots" && entry.name != "past" && !is_side_file(entry.name)) {
      stranger("", entry.name);
    }
  }
  if (absl::Status status = classify("aof", segment_number, result.segments); !status.ok()) return status;
  if (absl::Status status = classify("snapshots", snapshot_format::number_of, result.snapshots); !status.ok()) {
    return status;
  }
  const auto past = fs_.list(past_path());
  if (!past.ok()) return past.status();
  for (const DirectoryEntry& entry : *past) {
    const auto number = past_number(entry.name);
    if (!number || !entry.is_directory) {
      stranger("past/", entry.name);
      continue;
    }
    result.past.insert(*number);
    const auto files = fs_.list(past_path(*number));
    if (!files.ok()) return files.status();
    result.past_has_files = result.past_has_files || !files->empty();
  }
  return result;
}

absl::Status DataDirectory::remove_if_ours(const std::string& path, const StoreId& store_id,
                                           std::vector<std::string>& strangers) {
  const absl::StatusOr<bool> ours = belongs_to(fs_, path, store_id);
  if (!ours.ok()) return ours.status();
  if (*ours) return fs_.remove(path);
  strangers.push_back(path.substr(path_.size() + 1));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> DataDirectory::sweep(const Manifest& manifest) {
  for (const PastGeneration& past : manifest.past) {
    if (absl::Status moved = move_to_past(past); !moved.ok()) return moved;
  }
  const absl::StatusOr<DirectoryListing> listing = list();
  if (!listing.ok()) return listing.status();
  std::vector<std::string> strangers = listing->strangers;
  std::vector<std::string> unnamed;
  for (const std::string& temporary : listing->temporaries) unnamed.push_back(path_ + "/" + temporary);
  for (const std::uint64_t number : listing->segments) {
    if (!manifest.segments.contains(number)) unnamed.push_back(segment_path(number));
  }
  for (const std::uint64_t number : listing->snapshots) {
    const bool named = std::any_of(manifest.snapshots.begin(), manifest.snapshots.end(),
                                   [&](const SnapshotRecord& snapshot) { return snapshot.number == number; });
    if (!named) unnamed.push_back(snapshot_path(number));
  }
  for (const std::string& path : unnamed) {
    if (absl::Status removed = remove_if_ours(path, manifest.store_id, strangers); !removed.ok()) return removed;
  }
  for (const std::uint64_t number : listing->past) {
    const bool named = std::any_of(manifest.past.begin(), manifest.past.end(),
                                   [&](const PastGeneration& past) { return past.number == number; });
    if (named) continue;
    if (absl::Status removed = remove_past(number, manifest.store_id); !removed.ok()) return removed;
  }
  return strangers;
}

absl::Status DataDirectory::move_file(const std::string& from, const std::string& to) {
  const absl::StatusOr<bool> there = fs_.exists(from);
  if (!there.ok()) return there.status();
  return *there ? fs_.rename(from, to) : absl::OkStatus();
}

absl::Status DataDirectory::move_to_past(const PastGeneration& past) {
  const std::string folder = past_path(past.number);
  if (absl::Status made = make_if_missing(fs_, folder); !made.ok()) return made;
  if (absl::Status synced = of_sync(fs_.sync_directory(past_path())); !synced.ok()) return synced;
  for (const std::uint64_t number : past.snapshots) {
    const std::string to = fmt::format("{}/{}", folder, snapshot_format::file_name(number));
    if (absl::Status moved = move_file(snapshot_path(number), to); !moved.ok()) return moved;
  }
  for (const std::uint64_t number : past.segments.numbers()) {
    const std::string to = fmt::format("{}/{}", folder, segment_name(number));
    if (absl::Status moved = move_file(segment_path(number), to); !moved.ok()) return moved;
  }
  // The new names first: a crash in between then leaves two names, never none.
  for (const std::string& path : {folder, snapshots_path()}) {
    if (absl::Status synced = of_sync(fs_.sync_directory(path)); !synced.ok()) return synced;
  }
  return sync_log();
}

absl::Status DataDirectory::sync_log() {
  const std::lock_guard lock(log_mutex_);
  if (!log_failure_.ok()) return log_failure_;
  absl::Status synced = of_sync(fs_.sync_directory(log_path()));
  if (!synced.ok() && !may_heal(synced)) log_failure_ = synced;  // One that was not begun has lost nothing.
  return synced;
}

absl::Status DataDirectory::remove_past(std::uint64_t number, const StoreId& store_id) {
  const std::string folder = past_path(number);
  const auto files = fs_.list(folder);
  if (errno_of(files.status()) == ENOENT) return absl::OkStatus();
  if (!files.ok()) return files.status();
  std::vector<std::string> strangers;
  for (const DirectoryEntry& file : *files) {
    const bool our_name = segment_number(file.name).has_value() || snapshot_format::number_of(file.name).has_value();
    if (file.is_directory || !our_name) {
      strangers.push_back(file.name);
      continue;
    }
    const std::string path = fmt::format("{}/{}", folder, file.name);
    if (absl::Status removed = remove_if_ours(path, store_id, strangers); !removed.ok()) return removed;
  }
  return strangers.empty() ? fs_.remove_directory(folder) : absl::OkStatus();
}

}  // namespace kv
