// import-original SNAPSHOTS LOGS --to NEW: what is certain in the Go project's files becomes a store of ours; every
// doubtful line is listed.
//
// Hard part: nothing in those files says how far a snapshot reaches. Names carry the second in which a file was begun,
// and one log is open at a time. So a log that was begun after the snapshot comes after it, and one whose successor was
// begun before the snapshot is in it. A log that was open when the snapshot was taken may be older or newer than it,
// line by line: where both agree, nothing is in doubt; where they do not, the line is doubtful.
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/clock.h"
#include "tools/commands.h"
#include "tools/gob.h"
#include "tools/original_log.h"
#include "tools/state.h"
#include "tools/store_writer.h"

namespace kv::tools {
namespace {

constexpr std::size_t kShownBytes = 200;

// A file by its name: snapshot-20060102T150405.rdb, appendonly-20060102T150405.aof. Stamps compare as text.
struct OriginalFile {
  std::string path;
  std::string stamp;
};

std::optional<std::string> stamp_of(std::string_view name, std::string_view prefix, std::string_view suffix) {
  constexpr std::string_view kForm = "00000000T000000";
  if (name.size() != prefix.size() + kForm.size() + suffix.size()) return std::nullopt;
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  const std::string_view stamp = name.substr(prefix.size(), kForm.size());
  for (std::size_t i = 0; i < stamp.size(); ++i) {
    const bool digit = stamp[i] >= '0' && stamp[i] <= '9';
    if (kForm[i] == 'T' ? stamp[i] != 'T' : !digit) return std::nullopt;
  }
  return std::string(stamp);
}

class Import {
 public:
  Import(FileSystem& fs, const Words& words, Screen& screen) : fs_(fs), words_(words), screen_(screen) {}

  absl::Status run() {
    auto snapshots = list(words_.path, "snapshot-", ".rdb");
    if (!snapshots.ok()) return snapshots.status();
    auto logs = list(words_.second_path, "appendonly-", ".aof");
    if (!logs.ok()) return logs.status();
    if (snapshots->empty() && logs->empty()) {
      return absl::NotFoundError(
          fmt::format("neither {} holds snapshot-*.rdb nor {} appendonly-*.aof", words_.path, words_.second_path));
    }
    if (absl::Status loaded = load_snapshot(*snapshots); !loaded.ok()) return loaded;
    for (std::size_t i = 0; i < logs->size(); ++i) {
      const std::string next = i + 1 < logs->size() ? (*logs)[i + 1].stamp : "";
      if (absl::Status read = read_log((*logs)[i], next); !read.ok()) return read;
    }
    return absl::OkStatus();
  }

  absl::Status write() {
    ManifestPage page;
    page.store_id = random_store_id();
    page.mode = "HYBRID";
    page.clock = SystemClock().now();
    return write_store(fs_, words_.to, page, revision_, state_, screen_.progress());
  }

  std::uint64_t doubts() const noexcept { return doubts_; }

  void summary() const {
    if (screen_.json()) {
      return screen_.object({{"to", words_.to},
                             {"keys", state_.keys().size()},
                             {"snapshot", snapshot_},
                             {"certain_lines", certain_},
                             {"superseded_lines_or_files", superseded_},
                             {"doubtful", doubts_},
                             {"digest", hex(state_.digest())}});
    }
    screen_.say("{}: {} keys, from {} and {} certain lines", harmless(words_.to), state_.keys().size(),
                snapshot_.empty() ? "no snapshot" : harmless(snapshot_), certain_);
    if (doubts_ > 0) screen_.say("{} doubtful, listed above", doubts_);
  }

 private:
  // Oldest first. Whatever has another name is said and left.
  absl::StatusOr<std::vector<OriginalFile>> list(const std::string& folder, std::string_view prefix,
                                                 std::string_view suffix) {
    const auto entries = fs_.list(folder);
    if (errno_of(entries.status()) == ENOENT || errno_of(entries.status()) == ENOTDIR) {
      return absl::NotFoundError(fmt::format("{} is no directory", folder));
    }
    if (!entries.ok()) return entries.status();
    std::vector<OriginalFile> files;
    for (const DirectoryEntry& entry : *entries) {
      const auto stamp = stamp_of(entry.name, prefix, suffix);
      const std::string path = fmt::format("{}/{}", folder, entry.name);
      if (stamp && !entry.is_directory) {
        files.push_back({path, *stamp});
      } else {
        doubtful_file(path, "not named like a file of the original; not read");
      }
    }
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.stamp < b.stamp; });
    return files;
  }

  absl::Status load_snapshot(const std::vector<OriginalFile>& files) {
    for (auto file = files.rbegin(); file != files.rend(); ++file) {
      const absl::Status loaded = load_gob(*file);
      if (loaded.ok()) {
        snapshot_ = file->path;
        snapshot_stamp_ = file->stamp;
        return loaded;
      }
      if (!is_damage(loaded)) return loaded;
      state_.clear();
      revision_ = 0;
      doubtful_file(file->path, fmt::format("not used: {}", from_absl(loaded.message())));
    }
    return absl::OkStatus();
  }

  absl::Status load_gob(const OriginalFile& original) {
    const auto file = FileView::open(fs_, original.path);
    if (!file.ok()) return file.status();
    screen_.progress().begin("reading a snapshot", (*file)->size());
    std::vector<std::pair<std::string, std::string>> left_out;
    const auto count = read_gob_map(**file, [&](std::string_view key, std::string_view value) {
      screen_.progress().advance(key.size() + value.size());
      if (const std::string_view why = not_storable(key, value); !why.empty()) {
        left_out.emplace_back(key, why);
        return absl::OkStatus();
      }
      if (state_.keys().count(std::string(key)) != 0) return damage(original.path, 0, "a key is there twice");
      state_.apply({.kind = MutationKind::kSet, .key = key, .value = value}, ++revision_);
      return absl::OkStatus();
    });
    if (!count.ok()) return count.status();
    for (const auto& [key, why] : left_out) doubtful_key(original.path, key, why);
    return absl::OkStatus();
  }

  absl::Status read_log(const OriginalFile& log, const std::string& next_stamp) {
    const bool behind = snapshot_stamp_.empty() || log.stamp > snapshot_stamp_;
    if (!behind && !next_stamp.empty() && next_stamp < snapshot_stamp_) {
      ++superseded_;
      if (!screen_.json()) screen_.say("{}: older than the snapshot, which holds what it says", harmless(log.path));
      return absl::OkStatus();
    }
    const auto file = FileView::open(fs_, log.path);
    if (!file.ok()) return file.status();
    screen_.progress().begin("reading a log", (*file)->size());
    OriginalLog lines(**file);
    std::unordered_map<std::string, OriginalLine> open;  // behind == false: the last certain line of each key
    while (true) {
      auto line = lines.next();
      if (!line.ok()) return line.status();
      if (!*line) break;
      screen_.progress().advance((*line)->text.size() + 1);
      take(log, **std::move(line), behind, open);
    }
    for (auto& [key, line] : open) settle(log, line);
    return absl::OkStatus();
  }

  void take(const OriginalFile& log, OriginalLine line, bool behind,
            std::unordered_map<std::string, OriginalLine>& open) {
    const bool likely = line.usable && words_.take_likely;
    if (!line.doubt.empty()) {
      doubtful_line(log, line, likely);
      if (!likely) return;
    } else {
      ++certain_;
    }
    if (behind) return apply(line);
    open.insert_or_assign(line.key, std::move(line));
  }

  // The last word of a log that was open when the snapshot was taken: does the snapshot say the same?
  void settle(const OriginalFile& log, OriginalLine& line) {
    const auto known = state_.keys().find(line.key);
    const bool there = known != state_.keys().end();
    const bool set = line.kind == OriginalLine::Kind::kSet;
    if (set ? there && known->second.value == line.value : !there) return;
    if (line.doubt.empty()) {
      --certain_;
      line.doubt = "the snapshot says otherwise, and nothing tells which of the two is newer";
      doubtful_line(log, line, words_.take_likely);
    }
    if (words_.take_likely) apply(line);
  }

  void apply(const OriginalLine& line) {
    const bool set = line.kind == OriginalLine::Kind::kSet;
    state_.apply({.kind = set ? MutationKind::kSet : MutationKind::kDelete, .key = line.key, .value = line.value},
                 ++revision_);
  }

  void doubtful_line(const OriginalFile& log, const OriginalLine& line, bool taken) {
    ++doubts_;
    const std::string_view text = std::string_view(line.text).substr(0, kShownBytes);
    if (screen_.json()) {
      Json object = {{"doubtful", log.path}, {"line", line.number}, {"offset", line.offset}, {"why", line.doubt}};
      put_bytes(object, "text", text);
      object["bytes"] = line.text.size();
      object["imported"] = taken;
      return screen_.object(object);
    }
    screen_.say("DOUBTFUL: {} line {} (offset {}): {}{}: {}; {}", harmless(log.path), line.number, line.offset,
                shown(text), text.size() < line.text.size() ? "..." : "", line.doubt,
                taken ? "imported as it seems" : "not imported");
  }

  void doubtful_key(const std::string& path, std::string_view key, std::string_view why) {
    ++doubts_;
    if (screen_.json()) {
      Json object = {{"doubtful", path}, {"why", why}, {"imported", false}};
      put_bytes(object, "key", key.substr(0, kShownBytes));
      return screen_.object(object);
    }
    screen_.say("DOUBTFUL: {}: key {}: {}; not imported", harmless(path), shown(key.substr(0, kShownBytes)), why);
  }

  void doubtful_file(const std::string& path, std::string_view why) {
    ++doubts_;
    if (screen_.json()) return screen_.object({{"doubtful", path}, {"why", why}, {"imported", false}});
    screen_.say("DOUBTFUL: {}: {}", harmless(path), harmless(why));
  }

  FileSystem& fs_;
  const Words& words_;
  Screen& screen_;
  State state_{State::Values::kKept};
  Revision revision_ = 0;
  std::string snapshot_, snapshot_stamp_;
  std::uint64_t certain_ = 0, superseded_ = 0, doubts_ = 0;
};

}  // namespace

ExitCode import_original(FileSystem& fs, const Words& words, Screen& screen) {
  if (absl::Status free = check_target(fs, words.to); !free.ok()) return failed(screen, free);
  Import import(fs, words, screen);
  absl::Status done = import.run();
  if (done.ok()) done = import.write();
  if (!done.ok()) return failed(screen, done);
  import.summary();
  return import.doubts() > 0 ? ExitCode::kDoubtful : ExitCode::kDone;
}

}  // namespace kv::tools
