#include "tests/tools/agreement.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/damage.h"
#include "persistence/data_directory.h"
#include "persistence/format/log_format.h"
#include "persistence/format/snapshot_format.h"
#include "persistence/recovery.h"
#include "tests/support/manual_clock.h"
#include "tools/examine.h"

namespace kv {
namespace {

Verdict ended(Verdict::Start start, std::string why, std::string file = "") {
  Verdict verdict;
  verdict.start = start;
  verdict.why = std::move(why);
  verdict.file = std::move(file);
  return verdict;
}

}  // namespace

Files files_in(const std::string& directory, std::size_t zeros_left) {
  Files files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const std::string below = std::filesystem::relative(entry.path(), directory).string();
    if (!entry.is_regular_file() || below == kLockName) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    if (below.ends_with(".aof")) {
      const std::size_t end = bytes.find_last_not_of('\0') + 1;
      bytes.resize(std::min(bytes.size(), std::max<std::size_t>(end, 128) + zeros_left));
    }
    files[below] = std::move(bytes);
  }
  return files;
}

std::unique_ptr<FaultyFileSystem> disk_with(const Files& files) {
  auto fs = std::make_unique<FaultyFileSystem>();
  const std::string root = kDisk;
  for (const std::string& folder : {root, root + "/aof", root + "/snapshots", root + "/past"}) {
    REQUIRE(fs->make_directory(folder).ok());
  }
  for (const auto& [below, bytes] : files) {
    if (below.starts_with("past/")) {
      fs->make_directory(root + "/" + below.substr(0, below.rfind('/'))).IgnoreError();  // It may be there already.
    }
    fs->put(root + "/" + below, bytes);
  }
  return fs;
}

bool operator==(const Verdict& a, const Verdict& b) {
  if (a.start != b.start) return false;
  if (a.start != Verdict::Start::kServes) return a.file == b.file;
  return a.revision == b.revision && a.keys == b.keys && a.digest == b.digest && a.request_ids == b.request_ids &&
         a.torn_bytes == b.torn_bytes && a.torn == b.torn && a.passed_over == b.passed_over;
}

std::string text_of(const Verdict& verdict) {
  if (verdict.start == Verdict::Start::kFresh) return "fresh";
  if (verdict.start == Verdict::Start::kRefuses) return "refuses for " + verdict.file + ": " + verdict.why;
  return fmt::format("serves {} keys at {}, digest {:016x}, {} request ids, torn '{}' {} bytes, passed over: {}",
                     verdict.keys, verdict.revision, verdict.digest, verdict.request_ids, verdict.torn,
                     verdict.torn_bytes, verdict.passed_over);
}

Verdict server_verdict(FaultyFileSystem& fs) {
  const auto refusal = [](const absl::Status& why) {
    // A refusal is damage; anything else would be a fault of this test.
    REQUIRE(why.code() == absl::StatusCode::kDataLoss);
    const std::string file = place_of(why, kDisk).file;
    CHECK_FALSE(file.empty());
    return ended(Verdict::Start::kRefuses, std::string(message_of(why)), file);
  };
  auto directory = DataDirectory::open(fs, kDisk);
  REQUIRE(directory.ok());
  const auto listing = (*directory)->list();
  REQUIRE(listing.ok());
  if (!listing->manifest) {
    return listing->has_data() ? ended(Verdict::Start::kRefuses, "no MANIFEST", "MANIFEST")
                               : ended(Verdict::Start::kFresh, "");
  }
  const auto text = read_file(fs, std::string(kDisk) + "/MANIFEST", kManifestBytesMax);
  REQUIRE(text.ok());
  const auto manifest = parse_manifest(*text, "MANIFEST");
  if (!manifest.ok()) return refusal(manifest.status());

  ManualClock clock;
  Store store({.shard_count = 1});
  LoadProgress progress;
  Verdict verdict;
  const std::function<void(int, const std::string&)> log = [&](int, const std::string& line) {
    const auto at = line.find(" bytes beyond");
    if (line.starts_with("torn tail: ")) verdict.torn = line.substr(0, line.rfind(',', at));
  };
  const auto recovered = recover({fs, clock, store, **directory, 1, progress, log}, *manifest, *listing);
  if (!recovered.ok()) return refusal(recovered.status());
  verdict.revision = recovered->revision;
  verdict.keys = store.totals().keys;
  verdict.digest = store.totals().digest;
  verdict.request_ids = store.requests().figures(clock.now()).ids;
  verdict.torn_bytes = recovered->report.tail_bytes_discarded;
  verdict.passed_over = !recovered->report.files_skipped.empty();
  return verdict;
}

Verdict tool_verdict(FaultyFileSystem& fs) {
  const auto directory = tools::DirectoryPage::open(fs, kDisk);
  REQUIRE(directory.ok());
  Progress progress(nullptr);
  const auto found = tools::examine(fs, **directory, {}, progress);
  INFO(found.status().ToString());
  REQUIRE(found.ok());
  Verdict verdict;
  if (found->start == tools::Examination::Start::kFresh) verdict.start = Verdict::Start::kFresh;
  if (found->start == tools::Examination::Start::kRefuses) {
    verdict.start = Verdict::Start::kRefuses;
    verdict.why = fmt::format("{} at {}: {}", found->damaged.back().file, found->damaged.back().offset,
                              found->damaged.back().what);
    verdict.file = found->damaged.back().file;
    return verdict;
  }
  verdict.revision = found->revision;
  verdict.keys = found->state.keys().size();
  verdict.digest = found->state.digest();
  verdict.request_ids = found->state.requests().size();
  verdict.watermark = found->log.watermark;
  if (found->log.end) verdict.log_end = found->log.end->offset;
  verdict.passed_over = !found->damaged.empty();
  // Of a log of which nothing was started the server does not speak, and nothing is cut.
  if (found->torn() && found->log.counted > 0) {
    verdict.torn_bytes = found->log.end->bytes;
    verdict.torn = fmt::format("torn tail: {} ends at offset {}", found->log.end->file, found->log.end->offset);
  }
  return verdict;
}

namespace {

// A prepared segment that nothing was written to has nothing to lose.
bool holds_something(const std::string& file, const std::string& bytes) {
  return !file.starts_with("aof/") || bytes.find_first_not_of('\0', kIdentityBytes) != std::string::npos;
}

bool still_leads_to(const Recovered& recovered, const std::string& file) {
  const std::string name = file.substr(file.find('/') + 1);
  const auto segment = segment_number(name);
  if (segment && recovered.manifest.segments.contains(*segment)) return true;
  const auto snapshot = snapshot_format::number_of(name);
  const auto& snapshots = recovered.manifest.snapshots;
  if (snapshot && std::any_of(snapshots.begin(), snapshots.end(),
                              [&](const SnapshotRecord& named) { return named.number == *snapshot; })) {
    return true;
  }
  return std::any_of(recovered.set_aside.begin(), recovered.set_aside.end(),
                     [&](const SetAside& one) { return one.file == file; });
}

bool is_named(const Manifest& manifest, const std::string& file) {
  Recovered before;
  before.manifest = manifest;
  return still_leads_to(before, file);
}

}  // namespace

std::optional<Acceptance> accepted(const Files& files) {
  const auto fs = disk_with(files);
  auto directory = DataDirectory::open(*fs, kDisk);
  REQUIRE(directory.ok());
  const auto listing = (*directory)->list();
  REQUIRE(listing.ok());
  if (!listing->manifest) return std::nullopt;
  const auto manifest = parse_manifest(files.at("MANIFEST"), "MANIFEST");
  if (!manifest.ok()) return std::nullopt;
  ManualClock clock;
  Store store({.shard_count = 1});
  LoadProgress progress;
  const std::function<void(int, const std::string&)> log = [](int, const std::string&) {};
  bool asked = false;
  std::set<std::string> damaged;
  const auto recovered = recover_past_damage({*fs, clock, store, **directory, 1, progress, log}, *manifest, *listing,
                                             [&](const DataLoss& loss) {
                                               asked = true;
                                               CHECK_FALSE(loss.damaged.empty());
                                               for (const DamagedPlace& place : loss.damaged)
                                                 damaged.insert(place.file);
                                               return absl::OkStatus();
                                             });
  INFO(recovered.status().ToString());
  REQUIRE(recovered.ok() == asked);
  if (!asked) return std::nullopt;
  Acceptance left{.revision = recovered->revision,
                  .keys = store.totals().keys,
                  .digest = store.totals().digest,
                  .request_ids = store.requests().figures(clock.now()).ids,
                  .vanished = {}};
  for (const auto& [file, bytes] : files) {
    if (!is_named(*manifest, file) || !holds_something(file, bytes)) continue;
    const bool as_it_was = fs->contents(fmt::format("{}/{}", kDisk, file)) == bytes;
    // What is whole and was replayed may be in the new tail, every record of it.
    const auto& loaded = recovered->report.files_loaded;
    const bool copied = damaged.count(file) == 0 && std::find(loaded.begin(), loaded.end(), file) != loaded.end();
    if (!as_it_was || !(copied || still_leads_to(*recovered, file))) left.vanished.push_back(file);
  }
  return left;
}

Verdict agreed(const Files& files, const std::string& what) {
  const auto fs = disk_with(files);
  const Verdict tool = tool_verdict(*fs);
  const Verdict server = server_verdict(*fs);
  if (!(tool == server)) FAIL_CHECK(what << "\n  tool:   " << text_of(tool) << "\n  server: " << text_of(server));
  return tool;
}

}  // namespace kv
