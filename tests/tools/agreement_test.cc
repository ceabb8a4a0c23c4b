// What the checker says of a directory is what a start does with it: golden files, directories made by the real storage
// in every mode, and each of them damaged. The two share the formats' constants and nothing else, so a bug in one
// reader shows here.
#include "tests/tools/agreement.h"

#include <span>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "core/bytes.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/crash_step.h"
#include "tests/support/open_file_limit.h"
#include "tests/tools/rotated_log.h"
#include "tests/tools/sweep.h"
#include "tools/examine.h"

namespace kv {
namespace {

using Start = Verdict::Start;

// Every n-th bit, so that it stays short; `./dev torture corrupt --cycles 1` flips them all.
SweepCounts some_bits(const SweptDirectory& directory) { return sweep(directory, {.step = crash_step(5)}); }

TEST_CASE("agreement: directories of every mode, after a kill, a clean stop, and a fresh start") {
  for (const Mode mode : {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid}) {
    StorageFixture server(mode);
    StateHistory history;
    live_in(server, history);
    const Data data = server.data();
    server.kill();
    agreed(files_in(server.path()), "killed");
    server.start();
    REQUIRE(server.stop().ok());
    const Verdict stopped = agreed(files_in(server.path()), "stopped");
    CHECK(stopped.start == Start::kServes);
    if (has_log(mode)) CHECK(stopped.keys == data.size());
  }
  CHECK(agreed({}, "an empty directory").start == Start::kFresh);
  CHECK(agreed({{"aof/0000000000000001.aof", "x"}}, "no MANIFEST").start == Start::kRefuses);
}

TEST_CASE("agreement: after every mode switch, and with one that did not finish") {
  const Mode modes[] = {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid};
  for (const Mode from : modes) {
    for (const Mode to : modes) {
      StorageFixture server(from);
      server.start();
      server.put_many("before", 3);
      server.switch_to(to);
      server.put_many("after", 3);
      server.kill();
      Files files = files_in(server.path());
      agreed(files, fmt::format("{} to {}", word(from), word(to)));
      // As if the switch had not become ACTIVE: the log above some segment is the new one's.
      Manifest manifest = server.manifest();
      if (manifest.segments.empty()) continue;
      for (const SwitchPhase phase : {SwitchPhase::kAccepted, SwitchPhase::kDual, SwitchPhase::kFailed}) {
        manifest.mode_switch = SwitchRecord{.from = from, .to = to, .phase = phase, .change = {}, .next = {}};
        manifest.mode_switch->first_segment = manifest.segments.numbers().back();
        files["MANIFEST"] = to_text(manifest);
        agreed(files, fmt::format("{} to {}, {}", word(from), word(to), word(phase)));
      }
    }
  }
}

TEST_CASE("agreement: sealed segments that SNAPSHOT keeps until the next snapshot, every bit and every cut") {
  const SweepCounts counts = some_bits(kept_segments());
  CHECK(counts.same > 0);
  CHECK(counts.torn == 0);
}

TEST_CASE("agreement: every bit and every cut of an AOF directory") {
  const SweepCounts counts = some_bits(lived_in(Mode::kAof));
  CHECK(counts.same > 0);
  CHECK(counts.torn > 0);
  CHECK(counts.refused > 0);
}

TEST_CASE("agreement: every bit and every cut of a HYBRID directory") {
  const SweepCounts counts = some_bits(lived_in(Mode::kHybrid));
  CHECK(counts.older > 0);
  CHECK(counts.refused > 0);
}

TEST_CASE("agreement: every bit and every cut of a SNAPSHOT directory") {
  const SweepCounts counts = some_bits(lived_in(Mode::kSnapshot));
  CHECK(counts.torn == 0);
  CHECK(counts.refused > 0);
}

TEST_CASE("agreement: the watermark's rule over several segments, every bit and every cut") {
  const SweepCounts counts = some_bits(rotated_log());
  CHECK(counts.torn > 0);
  CHECK(counts.refused > 0);
  CHECK(counts.accepted > 0);
}

TEST_CASE("agreement: the checker reads a log of many segments with a few open files, as a start does") {
  RotatedLog log;
  for (Revision i = 0; i < 40; ++i) {
    log.segment();
    log.batch(1, i);
  }
  const auto disk = disk_with(log.files());
  OpenFileLimit few(*disk, 3);
  const auto directory = tools::DirectoryPage::open(few, kDisk);
  REQUIRE(directory.ok());
  Progress progress(nullptr);
  const auto found = tools::examine(few, **directory, {}, progress);
  INFO(found.status().ToString());
  REQUIRE(found.ok());
  CHECK(found->start == tools::Examination::Start::kServes);
  CHECK(found->revision == 40);
}

TEST_CASE("agreement: segments swapped, doubled, shortened to their used size, and followed by foreign bytes") {
  RotatedLog log;
  for (int i = 0; i < 3; ++i) {
    log.segment();
    log.batch(2, 2 * static_cast<Revision>(i));
  }
  const Files files = log.files();
  const std::string first = "aof/0000000000000001.aof", second = "aof/0000000000000002.aof",
                    third = "aof/0000000000000003.aof";
  Files changed = files;
  std::swap(changed[first], changed[second]);
  CHECK(agreed(changed, "swapped").start == Start::kRefuses);
  changed = files;
  changed["aof/0000000000000009.aof"] = files.at(first);
  CHECK(agreed(changed, "one that MANIFEST does not name").start == Start::kServes);
  changed = files;
  // A batch of another segment, and one of this segment in another place, mean nothing.
  changed[third].replace(changed[third].size() - 200, 150, files.at(second).substr(128, 150));
  CHECK(agreed(changed, "a foreign batch").start == Start::kServes);
  changed[third].replace(changed[third].size() - 200, 150, files.at(third).substr(128, 150));
  CHECK(agreed(changed, "its own batch again").start == Start::kServes);
}

// A field of the last batch changed, and the checksum made right again: no accident, but another version's doing.
std::string rewritten(std::string segment, std::uint64_t number, std::size_t record_at, std::size_t field_at) {
  const auto bytes = std::as_writable_bytes(std::span(segment));
  const std::uint64_t seed = segment_seed(load<std::uint64_t>(bytes.data() + 40), number);
  segment[field_at] = 7;
  if (field_at < record_at) {
    const std::size_t batch_at = record_at - kBatchHeaderBytes;
    const Bytes fields = bytes.subspan(batch_at, kBatchHeaderBytes - 8);
    store(bytes.data() + batch_at + fields.size(), checksum64(fields, seed + batch_at));
  } else {
    const std::size_t record_bytes = load<std::uint32_t>(bytes.data() + record_at + 8);
    seal_record(bytes.subspan(record_at, record_bytes), seed, record_at);
  }
  return segment;
}

TEST_CASE("agreement: what is whole and unknown is corruption, at the very end of the log too") {
  RotatedLog log;
  log.segment();
  log.batch(1, 0);
  const Files files = log.files();
  const std::string name = "aof/0000000000000001.aof";
  const std::size_t record_at = kSegmentHeaderBytes + kBatchHeaderBytes;
  REQUIRE(agreed(files, "as written").revision == 1);
  for (const std::size_t field : {record_at - 12, record_at + 12, record_at + 13, record_at + 14, record_at + 28}) {
    Files changed = files;
    changed[name] = rewritten(files.at(name), 1, record_at, field);
    const Verdict verdict = agreed(changed, fmt::format("a field at {} of a version to come", field));
    CHECK(verdict.start == Start::kRefuses);
    CHECK(verdict.why.find("whole") != std::string::npos);
  }
}

}  // namespace
}  // namespace kv
