#include "persistence/set_aside.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "core/error.h"
#include "persistence/format/log_format.h"
#include "persistence/format/side_files.h"
#include "persistence/format/snapshot_format.h"

namespace kv {
namespace {

constexpr std::uint64_t kListBytesMax = 64 << 20;
constexpr std::string_view kLastLine = "end";

std::optional<std::uint64_t> number_in(std::string_view file, std::string_view folder,
                                       std::optional<std::uint64_t> (*number_of)(std::string_view)) {
  if (!file.starts_with(folder) || file.size() <= folder.size() || file[folder.size()] != '/') return std::nullopt;
  return number_of(file.substr(folder.size() + 1));
}
std::optional<std::uint64_t> segment_in(std::string_view file) { return number_in(file, kLogFolder, segment_number); }
std::optional<std::uint64_t> snapshot_in(std::string_view file) {
  return number_in(file, kSnapshotFolder, snapshot_format::number_of);
}

bool is_named(const Manifest& manifest, std::string_view file) {
  if (const auto segment = segment_in(file)) return manifest.segments.contains(*segment);
  const auto snapshot = snapshot_in(file);
  return std::any_of(manifest.snapshots.begin(), manifest.snapshots.end(),
                     [&](const SnapshotRecord& named) { return named.number == snapshot; });
}

bool is_possible(const SetAside& one) {
  const bool known = one.ending == kDamagedEnding || one.ending == kCutOffEnding;
  return known && (segment_in(one.file) || snapshot_in(one.file));
}

}  // namespace

absl::Status write_set_aside(FileSystem& fs, const std::string& directory, const std::vector<SetAside>& files) {
  std::string text;
  for (const SetAside& one : files) text += fmt::format("{} {}\n", one.file, one.ending);
  text += fmt::format("{}\n", kLastLine);
  return replace_file(fs, directory, std::string(kSetAsideName), text);
}

absl::StatusOr<std::vector<SetAside>> read_set_aside(FileSystem& fs, const std::string& directory) {
  const std::string path = fmt::format("{}/{}", directory, kSetAsideName);
  const auto there = fs.exists(path);
  if (!there.ok()) return there.status();
  if (!*there) return std::vector<SetAside>();
  const auto text = read_file(fs, path, kListBytesMax);
  if (!text.ok()) return text.status();
  std::vector<SetAside> files;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line == kLastLine) return files;
    const std::size_t blank = line.find(' ');
    SetAside one{.file = line.substr(0, blank), .ending = blank == line.npos ? "" : line.substr(blank + 1)};
    if (!is_possible(one)) break;
    files.push_back(std::move(one));
  }
  return error(Reason::kChecksum, fmt::format("{} at offset 0: no list of files to set aside", path),
               {{"file", path}, {"offset", "0"}});
}

absl::Status carry_out_set_aside(FileSystem& fs, const std::string& directory, const Manifest& manifest,
                                 const std::vector<SetAside>& files) {
  for (const SetAside& one : files) {
    if (is_named(manifest, one.file)) continue;  // A start that was not carried through.
    const std::string path = fmt::format("{}/{}", directory, one.file);
    const auto there = fs.exists(path);
    if (!there.ok()) return there.status();
    if (!*there) continue;
    if (absl::Status renamed = fs.rename(path, path + one.ending); !renamed.ok()) return renamed;
  }
  if (!files.empty()) {
    for (const std::string_view folder : {kLogFolder, kSnapshotFolder}) {
      if (absl::Status synced = fs.sync_directory(fmt::format("{}/{}", directory, folder)); !synced.ok()) return synced;
    }
  }
  const absl::Status removed = fs.remove(fmt::format("{}/{}", directory, kSetAsideName));
  return errno_of(removed) == ENOENT ? absl::OkStatus() : removed;
}

}  // namespace kv
