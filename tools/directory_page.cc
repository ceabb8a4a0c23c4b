#include "tools/directory_page.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "persistence/format/log_format.h"
#include "persistence/format/side_files.h"
#include "persistence/format/snapshot_format.h"
#include "tools/segment_page.h"
#include "tools/snapshot_page.h"

namespace kv::tools {
namespace {

constexpr std::uint64_t kLockBytesMax = 64;

std::string past_name(std::uint64_t number) { return fmt::format("{:04}", number); }

std::optional<std::uint64_t> past_number(std::string_view name) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (failure != std::errc() || end != name.data() + name.size() || past_name(number) != name) return std::nullopt;
  return number;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DirectoryPage>> DirectoryPage::open(FileSystem& fs, const std::string& path) {
  std::unique_ptr<DirectoryPage> page(new DirectoryPage(fs, path));
  const auto entries = fs.list(path);
  if (errno_of(entries.status()) == ENOENT || errno_of(entries.status()) == ENOTDIR) {
    return absl::NotFoundError(fmt::format("{} is no directory", path));
  }
  if (!entries.ok()) return entries.status();
  if (absl::Status locked = page->lock(); !locked.ok()) return locked;
  return page;
}

absl::Status DirectoryPage::lock() {
  const std::string path = fmt::format("{}/{}", path_, kLockName);
  auto file = fs_.open(path, FileSystem::Open::kRead);
  if (errno_of(file.status()) == ENOENT) return absl::OkStatus();  // No server has ever run here: a copy.
  if (!file.ok()) return file.status();
  const auto locked = (*file)->try_lock();
  if (!locked.ok()) return locked.status();
  if (!*locked) {
    std::string holder = read_file(fs_, path, kLockBytesMax).value_or("");
    std::erase(holder, '\n');
    return absl::FailedPreconditionError(fmt::format("{} is in use{}{}: stop the server first, or work on a copy",
                                                     path_, holder.empty() ? "" : " by process ", holder));
  }
  lock_ = *std::move(file);
  return absl::OkStatus();
}

std::string DirectoryPage::log_folder() const { return fmt::format("{}/{}", path_, kLogFolder); }
std::string DirectoryPage::segment(std::uint64_t number) const {
  return fmt::format("{}/{}/{}", path_, kLogFolder, segment_name(number));
}
std::string DirectoryPage::snapshot(std::uint64_t number) const {
  return fmt::format("{}/{}/{}", path_, kSnapshotFolder, snapshot_format::file_name(number));
}
std::string DirectoryPage::past(std::uint64_t number) const {
  return fmt::format("{}/{}/{}", path_, kPastFolder, past_name(number));
}
std::string DirectoryPage::manifest() const { return fmt::format("{}/{}", path_, kManifestName); }
std::string DirectoryPage::set_aside() const { return fmt::format("{}/{}", path_, kSetAsideName); }
std::string DirectoryPage::below(const std::string& path) const {
  return path.starts_with(path_ + "/") ? path.substr(path_.size() + 1) : path;
}

// A folder that is not there is empty: a start makes it.
absl::StatusOr<std::vector<DirectoryEntry>> DirectoryPage::list_folder(const std::string& below) const {
  auto entries = fs_.list(fmt::format("{}/{}", path_, below));
  if (errno_of(entries.status()) == ENOENT) return std::vector<DirectoryEntry>();
  return entries;
}

absl::StatusOr<Listing> DirectoryPage::list() const {
  Listing listing;
  const auto sort_in = [&](std::string_view folder, auto number_of, std::set<std::uint64_t>& numbers) -> absl::Status {
    const auto entries = list_folder(std::string(folder));
    if (!entries.ok()) return entries.status();
    for (const DirectoryEntry& entry : *entries) {
      std::string_view name = entry.name;
      const bool temporary = name.ends_with(kTemporarySuffix);
      if (temporary) name.remove_suffix(kTemporarySuffix.size());
      const auto number = number_of(name);
      const std::string below = fmt::format("{}/{}", folder, entry.name);
      if (!number || entry.is_directory) {
        listing.strangers.push_back(below);
      } else if (temporary) {
        listing.temporaries.push_back(below);
      } else {
        numbers.insert(*number);
      }
    }
    return absl::OkStatus();
  };
  const auto top = fs_.list(path_);
  if (!top.ok()) return top.status();
  for (const DirectoryEntry& entry : *top) {
    const bool ours = entry.name == kLockName || entry.name == kLogFolder || entry.name == kSnapshotFolder ||
                      entry.name == kPastFolder || entry.name == fmt::format("{}{}", kManifestName, kTemporarySuffix) ||
                      is_side_file(entry.name);
    if (entry.name == kSetAsideName) listing.set_aside = true;
    if (accepted_token(entry.name)) listing.accepted.push_back(entry.name);
    if (entry.name == kManifestName) {
      listing.manifest = true;
    } else if (!ours) {
      listing.strangers.push_back(entry.name);
    }
  }
  if (absl::Status done = sort_in(kLogFolder, segment_number, listing.segments); !done.ok()) return done;
  if (absl::Status done = sort_in(kSnapshotFolder, snapshot_format::number_of, listing.snapshots); !done.ok())
    return done;
  const auto past = list_folder(std::string(kPastFolder));
  if (!past.ok()) return past.status();
  for (const DirectoryEntry& entry : *past) {
    const std::string below = fmt::format("{}/{}", kPastFolder, entry.name);
    const auto number = past_number(entry.name);
    if (!number || !entry.is_directory) {
      listing.strangers.push_back(below);
      continue;
    }
    const auto files = list_folder(below);
    if (!files.ok()) return files.status();
    listing.past.insert(*number);
    listing.past_has_files = listing.past_has_files || !files->empty();
  }
  return listing;
}

absl::StatusOr<std::string> DirectoryPage::read_text(const std::string& path, std::uint64_t bytes_max) const {
  auto text = read_file(fs_, path, bytes_max);
  if (absl::IsResourceExhausted(text.status())) return damage(path, bytes_max, "larger than such a file may be");
  return text;
}

absl::StatusOr<std::vector<FileSetAside>> DirectoryPage::read_set_aside(const Listing& listing) const {
  if (!listing.set_aside) return std::vector<FileSetAside>();
  const auto text = read_text(set_aside(), kSideFileBytesMax);
  if (!text.ok()) return text.status();
  return read_set_aside_page(*text, set_aside());
}

absl::StatusOr<AcceptedLoss> DirectoryPage::read_accepted(const std::string& name, const StoreId& store) const {
  const std::string path = fmt::format("{}/{}", path_, name);
  const auto text = read_text(path, kSideFileBytesMax);
  if (!text.ok()) return text.status();
  return read_accepted_loss(*text, path, accepted_token(name).value_or(""), store);
}

absl::StatusOr<std::optional<ManifestPage>> DirectoryPage::read_manifest() const {
  const auto text = read_text(manifest(), kManifestBytesMax);
  if (errno_of(text.status()) == ENOENT) return std::optional<ManifestPage>();
  if (!text.ok()) return text.status();
  auto page = read_manifest_page(*text, manifest());
  if (!page.ok()) return page.status();
  return std::optional<ManifestPage>(*std::move(page));
}

absl::StatusOr<DirectoryPage::Unnamed> DirectoryPage::unnamed(const Listing& listing, const ManifestPage& page) const {
  std::vector<std::string> paths;
  for (const std::string& below : listing.temporaries) paths.push_back(fmt::format("{}/{}", path_, below));
  for (const std::uint64_t number : listing.segments) {
    if (!page.names_segment(number)) paths.push_back(segment(number));
  }
  for (const std::uint64_t number : listing.snapshots) {
    const bool named = std::any_of(page.snapshots.begin(), page.snapshots.end(),
                                   [&](const NamedSnapshot& one) { return one.number == number; });
    if (!named) paths.push_back(snapshot(number));
  }
  Unnamed unnamed{.ours = {}, .strangers = listing.strangers};
  for (const std::string& path : paths) {
    const auto ours = carries(fs_, path, page.store_id);
    if (!ours.ok()) return ours.status();
    (*ours ? unnamed.ours : unnamed.strangers).push_back(below(path));
  }
  return unnamed;
}

absl::StatusOr<bool> carries(FileSystem& fs, const std::string& path, const StoreId& id) {
  const auto file = FileView::open(fs, path);
  if (!file.ok()) return file.status();
  const auto header = (*file)->view(0, snapshot_format::kFileHeaderBytes);
  if (!header.ok()) return header.status();
  if (header->size() < snapshot_format::kFileHeaderBytes || all_zero(*header)) return true;
  std::uint64_t seed = 0;
  if (const auto snapshot = read_snapshot_header(**file, seed); snapshot.ok()) return snapshot->store_id == id;
  const auto segment = read_segment_head(**file);
  return segment.ok() && segment->store_id == id;
}

}  // namespace kv::tools
