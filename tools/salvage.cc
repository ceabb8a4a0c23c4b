#include "tools/salvage.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/error.h"
#include "tools/examine.h"
#include "tools/salvage_log.h"
#include "tools/snapshot_page.h"

namespace kv::tools {

namespace format = snapshot_format;

namespace {

class Salvaging {
 public:
  Salvaging(FileSystem& fs, const DirectoryPage& directory, const SalvageOptions& options, Progress& progress)
      : fs_(fs), directory_(directory), options_(options), progress_(progress) {}

  absl::StatusOr<Salvage> run() {
    auto page = directory_.read_manifest();
    if (!page.ok() && !is_damage(page.status())) return page.status();
    absl::Status done;
    if (page.ok() && *page) {
      result_.page = **page;
      result_.page.undo_switch();
    } else {
      done = rebuild_page();
    }
    if (done.ok()) done = load_snapshots();
    if (done.ok()) done = replay();
    if (!done.ok()) return done;
    result_.revision = std::max(result_.revision, cut_);
    return std::move(result_);
  }

 private:
  // Without MANIFEST: every file that carries the store id that most files carry.
  absl::Status rebuild_page() {
    const auto listing = directory_.list();
    if (!listing.ok()) return listing.status();
    std::map<StoreId, std::size_t> votes;
    std::map<std::uint64_t, std::pair<StoreId, Revision>> snapshots;
    std::map<std::uint64_t, StoreId> segments;
    for (const std::uint64_t number : listing->snapshots) {
      std::uint64_t seed = 0;
      const auto file = FileView::open(fs_, directory_.snapshot(number));
      if (!file.ok()) return file.status();
      const auto header = read_snapshot_header(**file, seed);
      if (!header.ok()) continue;
      ++votes[header->store_id];
      snapshots[number] = {header->store_id, header->cut};
    }
    for (const std::uint64_t number : listing->segments) {
      const auto file = FileView::open(fs_, directory_.segment(number));
      if (!file.ok()) return file.status();
      const auto head = read_segment_head(**file);
      if (!head.ok()) continue;
      ++votes[head->store_id];
      segments[number] = head->store_id;
    }
    if (votes.empty())
      return damage(directory_.manifest(), 0, "neither MANIFEST nor any other file can be read as ours");
    const auto most =
        std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    ManifestPage& page = result_.page;
    page.store_id = most->first;
    page.mode = segments.empty() ? "SNAPSHOT" : "HYBRID";
    for (const auto& [number, facts] : snapshots) {
      if (facts.first == page.store_id) page.snapshots.push_back({.number = number, .cut = facts.second, .digest = {}});
    }
    for (const auto& [number, id] : segments) {
      if (id == page.store_id) page.segments.emplace_back(number, number);
    }
    rebuilt_ = true;
    result_.losses.push_back({.file = std::string(kManifestName),
                              .what = "MANIFEST is lost: settings, and where the files end",
                              .keys = {},
                              .perhaps = {}});
    result_.notes.push_back(
        fmt::format("the files themselves were put together again; the mode is now {}, settings are "
                    "the defaults",
                    page.mode));
    return absl::OkStatus();
  }

  SnapshotClaim claim_of(const NamedSnapshot& named) const {
    SnapshotClaim claim{.store_id = result_.page.store_id, .number = named.number};
    if (rebuilt_) return claim;
    claim.cut = named.cut;
    claim.bytes = named.bytes;
    claim.digest = named.digest;
    return claim;
  }

  // The newest whole one; then what can be read of newer ones on top of it.
  absl::Status load_snapshots() {
    if (result_.page.mode == "NON_PERSISTENT") return absl::OkStatus();
    const std::vector<NamedSnapshot>& named = result_.page.snapshots;
    std::size_t whole = named.size();
    while (whole > 0) {
      const NamedSnapshot& one = named[whole - 1];
      SnapshotVisitor visitor;
      visitor.entry = [&](std::uint64_t offset, std::string_view key, const KeyState& facts, std::string_view value) {
        if (result_.state.load(key, facts, value)) return absl::OkStatus();
        return damage(directory_.snapshot(one.number), offset, "a key is there twice");
      };
      visitor.request = [this](std::uint64_t, const auto& request) { result_.state.remember(request); };
      const auto facts = read_snapshot(fs_, directory_.snapshot(one.number), claim_of(one), visitor, progress_);
      if (facts.ok()) {
        cut_ = facts->header.cut;
        clock(facts->header.clock);
        break;
      }
      if (!is_damage(facts.status())) return facts.status();
      result_.state.clear();
      damaged_.push_back(facts.status());
      --whole;
    }
    base_cut_ = cut_;
    for (std::size_t i = whole; i < named.size(); ++i) {
      if (absl::Status read = read_blocks(named[i], damaged_[named.size() - 1 - i]); !read.ok()) return read;
    }
    return absl::OkStatus();
  }

  // The good blocks of a damaged snapshot. Not used when the state must be the exact one of an earlier revision.
  absl::Status read_blocks(const NamedSnapshot& named, const absl::Status& why) {
    const std::string path = directory_.snapshot(named.number);
    const DamagedPlace place = place_of(why, directory_);
    const auto file = FileView::open(fs_, path);
    if (errno_of(file.status()) == ENOENT) return lost_snapshot(named, 0, 0, "the snapshot is missing");
    if (!file.ok()) return file.status();
    std::uint64_t seed = 0;
    const auto header = read_snapshot_header(**file, seed);
    if (!header.ok() && !is_damage(header.status())) return header.status();
    const bool ours = header.ok() && header->store_id == result_.page.store_id && header->number == named.number;
    if (!ours || options_.stop_at_damage) return lost_snapshot(named, 0, (*file)->size(), place.what);
    std::set<std::string> seen;
    bool whole = true;
    for (std::uint64_t at = format::kFileHeaderBytes; at + format::kFooterBytes < (*file)->size();) {
      const auto block = read_block_header(**file, at);
      if (!block.ok()) {
        if (!is_damage(block.status())) return block.status();
        whole = false;
        lost_blocks(path, at, (*file)->size(), "no block can be found from here on");
        break;
      }
      const std::uint64_t end = at + format::kBlockHeaderBytes + block->header.stored_bytes;
      const auto payload = read_block_payload(**file, seed, *block);
      if (!payload.ok() && !is_damage(payload.status())) return payload.status();
      if (payload.ok()) {
        if (absl::Status merged = merge(**file, *block, *payload, header->cut, seen); !merged.ok()) return merged;
      } else {
        whole = false;
        lost_blocks(path, at, std::min(end, (*file)->size()),
                    fmt::format("a block of {} entries", block->header.count));
      }
      at = std::min(end, (*file)->size());
    }
    if (whole) {
      result_.notes.push_back(fmt::format("{}: every block could be read, the damage is elsewhere in it ({})",
                                          directory_.below(path), place.what));
    }
    if (!result_.page.has_log()) mark_stale(seen, whole);
    cut_ = std::max(cut_, header->cut);
    return absl::OkStatus();
  }

  absl::Status merge(FileView& file, const SnapshotBlockFacts& block, Bytes payload, Revision cut,
                     std::set<std::string>& seen) {
    SnapshotVisitor visitor;
    visitor.entry = [&](std::uint64_t, std::string_view key, const KeyState& facts, std::string_view value) {
      result_.state.merge(key, facts, value);
      seen.emplace(key);
      return absl::OkStatus();
    };
    visitor.request = [this](std::uint64_t, const auto& request) { result_.state.remember(request); };
    BlockTotals totals;
    const absl::Status read = read_entries(file, block, payload, cut, visitor, totals);
    if (!is_damage(read)) return read;
    lost_blocks(file.path(), block.offset, block.offset, facts_of(read)["what"]);
    return absl::OkStatus();
  }

  // Without a log nobody knows whether a key that only the older snapshot has was removed since: when the newer one
  // could be read whole, it was; else it is kept, and listed.
  void mark_stale(const std::set<std::string>& seen, bool whole) {
    std::vector<std::string> only_older;
    for (const auto& [key, facts] : result_.state.keys()) {
      if (seen.count(key) == 0) only_older.push_back(key);
    }
    if (whole) {
      for (const std::string& key : only_older) result_.state.forget(key);
      return;
    }
    std::sort(only_older.begin(), only_older.end());
    result_.stale_keys = std::move(only_older);
  }

  absl::Status lost_snapshot(const NamedSnapshot& named, std::uint64_t from, std::uint64_t to, std::string_view why) {
    const std::string path = directory_.snapshot(named.number);
    Loss loss{
        .file = directory_.below(path), .from = from, .to = to, .what = std::string(why), .keys = {}, .perhaps = {}};
    // With a log that goes on from the older one, its revisions are there; replay() says which are not.
    if (!result_.page.has_log() && named.cut > base_cut_) {
      loss.first_revision = base_cut_ + 1;
      loss.last_revision = named.cut;
    }
    result_.losses.push_back(std::move(loss));
    return absl::OkStatus();
  }
  void lost_blocks(const std::string& path, std::uint64_t from, std::uint64_t to, std::string what) {
    result_.losses.push_back(
        {.file = directory_.below(path), .from = from, .to = to, .what = std::move(what), .keys = {}, .perhaps = {}});
  }

  absl::Status replay() {
    const ManifestPage& page = result_.page;
    if (page.segments.empty() || page.mode == "NON_PERSISTENT") return absl::OkStatus();
    // What good blocks of a damaged snapshot hold is there, and the lost ones are listed.
    if ((options_.stop_at_damage ? base_cut_ : cut_) < page.log_whole_from) {
      result_.losses.push_back({.file = std::string(kLogFolder),
                                .what = "no whole snapshot reaches to where the log begins",
                                .first_revision = base_cut_ + 1,
                                .last_revision = page.log_whole_from,
                                .keys = {},
                                .perhaps = {}});
      if (options_.stop_at_damage) return absl::OkStatus();
    }
    SalvageLog log(
        fs_, directory_, page.store_id, base_cut_, options_.stop_at_damage,
        [this](const RecordFacts& record) {
          clock(record.clock);
          if (record.revision <= base_cut_) return;
          for (const Mutation& mutation : record.mutations) result_.state.apply(mutation, record.revision);
          result_.state.remember(record);
          result_.revision = std::max(result_.revision, record.revision);
        },
        result_.losses);
    const std::vector<std::uint64_t> numbers = page.segment_numbers();
    progress_.begin("saving the log's records", numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto used = used_of(numbers, i);
      if (!used.ok()) return used.status();
      if (absl::Status read = log.read(numbers[i], *used, i + 1 == numbers.size()); !read.ok()) return read;
      progress_.advance(1);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::uint64_t>> used_of(const std::vector<std::uint64_t>& numbers, std::size_t i) {
    const auto named = result_.page.used.find(numbers[i]);
    if (named != result_.page.used.end()) return std::optional(named->second);
    if (i + 1 == numbers.size()) return std::optional<std::uint64_t>();
    const auto next = FileView::open(fs_, directory_.segment(numbers[i + 1]));
    if (!next.ok()) return std::optional<std::uint64_t>();  // Its own turn says why.
    const auto head = read_segment_head(**next);
    if (!head.ok() || !head->start || head->start->predecessor_number != numbers[i])
      return std::optional<std::uint64_t>();
    return std::optional(head->start->predecessor_used);
  }

  void clock(UnixMillis seen) { result_.page.clock = std::max(result_.page.clock, seen); }

  FileSystem& fs_;
  const DirectoryPage& directory_;
  const SalvageOptions& options_;
  Progress& progress_;
  Salvage result_;
  std::vector<absl::Status> damaged_;  // why, newest snapshot first
  Revision cut_ = 0;                   // of the newest snapshot that something was taken from
  Revision base_cut_ = 0;              // of the newest whole one
  bool rebuilt_ = false;
};

}  // namespace

absl::StatusOr<Salvage> salvage(FileSystem& fs, const DirectoryPage& directory, const SalvageOptions& options,
                                Progress& progress) {
  return Salvaging(fs, directory, options, progress).run();
}

}  // namespace kv::tools
