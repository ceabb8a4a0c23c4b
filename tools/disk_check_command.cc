// disk-check DIR: can this disk do what durability needs, and how fast? Works in a folder of its own below DIR, which
// it removes again; a server may run meanwhile (the figures then say what is left beside it).
#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "core/absl_text.h"
#include "persistence/format/log_format.h"
#include "tools/commands.h"
#include "tools/directory_page.h"

namespace kv::tools {
namespace {

constexpr std::size_t kSyncs = 200;
constexpr std::size_t kRenames = 50;
constexpr std::size_t kWriteBytes = 4096;

using Micros = std::chrono::microseconds;

// What one kind of call cost.
struct Latencies {
  std::string_view name;
  std::vector<Micros> sorted;
  Micros at(double share) const {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
  }
};

template <class Call>
absl::StatusOr<Latencies> measure(std::string_view name, std::size_t times, Progress& progress, Call call) {
  Latencies latencies{.name = name, .sorted = {}};
  for (std::size_t i = 0; i < times; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (absl::Status done = call(i); !done.ok()) return done;
    latencies.sorted.push_back(std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now() - begin));
    progress.advance(1);
  }
  std::sort(latencies.sorted.begin(), latencies.sorted.end());
  return latencies;
}

// The folder that the work is done in, gone with everything in it at the end.
class Workbench {
 public:
  Workbench(FileSystem& fs, const std::string& directory)
      : fs_(fs), path_(fmt::format("{}/disk-check-{}", directory, ::getpid())) {}
  ~Workbench() {
    for (const std::string& name : {std::string("log"), std::string("a"), std::string("b")}) {
      fs_.remove(path_ + "/" + name).IgnoreError();  // It may never have been made.
    }
    fs_.remove_directory(path_).IgnoreError();
  }
  Workbench(const Workbench&) = delete;
  Workbench& operator=(const Workbench&) = delete;

  absl::Status open() { return fs_.make_directory(path_); }

  // What a segment lives through: allocated once, then written and synced.
  absl::StatusOr<Latencies> appends(Progress& progress, bool& preallocates) {
    auto file = fs_.create(path_ + "/log");
    if (!file.ok()) return file.status();
    const absl::Status allocated = (*file)->allocate(kSyncs * kWriteBytes);
    preallocates = allocated.ok();
    if (absl::Status synced = (*file)->sync(); !synced.ok()) return synced;
    const std::vector<std::byte> block(kWriteBytes, std::byte{0x5a});
    return measure("write and fdatasync, 4 KiB", kSyncs, progress, [&](std::size_t i) {
      absl::Status written = write_all_at(**file, block, i * kWriteBytes);
      return written.ok() ? (*file)->sync_data() : written;
    });
  }

  // What MANIFEST lives through.
  absl::StatusOr<Latencies> replacements(Progress& progress) {
    return measure("replace a file (fsync, rename, sync of the directory)", kRenames, progress, [&](std::size_t i) {
      auto file = fs_.create(path_ + "/a");
      if (!file.ok()) return file.status();
      absl::Status done = write_all_at(**file, as_bytes(fmt::format("{:04096}", i)), 0);
      if (done.ok()) done = (*file)->sync();
      if (done.ok()) done = fs_.rename(path_ + "/a", path_ + "/b");
      return done.ok() ? fs_.sync_directory(path_) : done;
    });
  }

 private:
  FileSystem& fs_;
  const std::string path_;
};

// What a start or a compaction may need at once: the newest snapshot a second time, and a group of new segments.
absl::StatusOr<std::uint64_t> bytes_wanted(FileSystem& fs, const std::string& directory) {
  constexpr std::uint64_t kSegments = 2 * (std::uint64_t{kRecordBytesMax} + kSegmentHeaderBytes + kBatchHeaderBytes);
  const std::string path = fmt::format("{}/{}", directory, kManifestName);
  const auto there = fs.exists(path);
  if (!there.ok()) return there.status();
  if (!*there) return kSegments;
  const auto text = read_file(fs, path, kManifestBytesMax);
  if (!text.ok()) return text.status();
  const auto page = read_manifest_page(*text, path);
  if (!page.ok() || page->snapshots.empty()) return kSegments;  // Damage is check's matter.
  return kSegments + page->snapshots.back().bytes;
}

struct Findings {
  Latencies append, replace;
  bool preallocates = false;
  std::uint64_t free = 0, wanted = 0;
  bool roomy() const { return free >= wanted; }
};

absl::StatusOr<Findings> work(FileSystem& fs, const std::string& path, Progress& progress) {
  const auto there = fs.list(path);
  if (!there.ok())
    return absl::NotFoundError(fmt::format("{} is no directory: {}", path, from_absl(there.status().message())));
  Findings findings;
  const auto free = fs.free_bytes(path);
  if (!free.ok()) return free.status();
  findings.free = *free;
  const auto wanted = bytes_wanted(fs, path);
  if (!wanted.ok()) return wanted.status();
  findings.wanted = *wanted;
  Workbench bench(fs, path);
  if (absl::Status opened = bench.open(); !opened.ok()) return opened;
  progress.begin("asking the disk", kSyncs + kRenames);
  auto append = bench.appends(progress, findings.preallocates);
  if (!append.ok()) return append.status();
  auto replace = bench.replacements(progress);
  if (!replace.ok()) return replace.status();
  findings.append = *std::move(append);
  findings.replace = *std::move(replace);
  return findings;
}

Json json_of(const Latencies& latencies) {
  return {{"times", latencies.sorted.size()},
          {"p50_us", latencies.at(0.5).count()},
          {"p99_us", latencies.at(0.99).count()},
          {"max_us", latencies.at(1).count()}};
}

void say(Screen& screen, const Latencies& latencies) {
  screen.say("{}: median {} us, p99 {} us, slowest {} us ({} times)", latencies.name, latencies.at(0.5).count(),
             latencies.at(0.99).count(), latencies.at(1).count(), latencies.sorted.size());
}

}  // namespace

ExitCode disk_check(FileSystem& fs, const Words& words, Screen& screen) {
  const auto found = work(fs, words.path, screen.progress());
  if (!found.ok()) return failed(screen, found.status());
  if (screen.json()) {
    screen.object({{"append", json_of(found->append)},
                   {"replace", json_of(found->replace)},
                   {"preallocates", found->preallocates},
                   {"free_bytes", found->free},
                   {"wanted_bytes", found->wanted},
                   {"enough_space", found->roomy()}});
  } else {
    say(screen, found->append);
    say(screen, found->replace);
    screen.say("preallocation: {}", found->preallocates ? "yes" : "no, segments are filled with zeros instead");
    screen.say("free space: {}, wanted at least {} (new segments and one more snapshot)", about(found->free),
               about(found->wanted));
    screen.line(found->roomy() ? "fit for a data directory" : "NOT ENOUGH SPACE");
  }
  return found->roomy() ? ExitCode::kDone : ExitCode::kRefused;
}

}  // namespace kv::tools
