// What the checker says of a directory is what a start does with it: golden files, directories made by the real storage
// in every mode, and each of them with every bit flipped and cut at every byte. The two share the formats' constants
// and nothing else, so a bug in one reader shows here.
#include "tests/tools/agreement.h"

#include <algorithm>
#include <span>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "core/bytes.h"
#include "persistence/segment_writer.h"
#include "tests/persistence/storage_fixture.h"
#include "tests/support/crash_step.h"

namespace kv {
namespace {

using Start = Verdict::Start;

// Every n-th bit in an ordinary run; KV_CRASH_STEP=1 flips them all.
constexpr std::uint64_t kStep = 5;

struct Tally {
  std::uint64_t same = 0, torn = 0, older = 0, refused = 0;
  void add(const Verdict& now, const Verdict& before) {
    if (now.start != Start::kServes) {
      ++refused;
    } else if (now.passed_over) {
      ++older;
    } else if (now.digest == before.digest && now.revision == before.revision) {
      ++same;
    } else {
      ++torn;
    }
  }
};

// Flips bits and cuts files. What is served after that is the state before, or an earlier one that ends in a torn tail.
Tally sweep(const Files& files) {
  const Verdict before = agreed(files, "untouched");
  REQUIRE(before.start == Start::kServes);
  Tally tally;
  const std::uint64_t step = crash_step(kStep);
  std::uint64_t turn = 0;
  for (const auto& [name, bytes] : files) {
    Files damaged = files;
    for (std::size_t bit = turn++ % step; bit < bytes.size() * 8; bit += step) {
      damaged[name][bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      const Verdict now = agreed(damaged, fmt::format("bit {} of byte {} of {}", bit % 8, bit / 8, name));
      tally.add(now, before);
      if (now.start == Start::kServes) CHECK((now.revision == before.revision || !now.torn.empty()));
      damaged[name][bit / 8] = bytes[bit / 8];
    }
    for (std::size_t size = turn % step; size < bytes.size(); size += step) {
      damaged[name] = bytes.substr(0, size);
      tally.add(agreed(damaged, fmt::format("{} cut at {}", name, size)), before);
    }
    damaged.erase(name);
    tally.add(agreed(damaged, name + " is missing"), before);
  }
  return tally;
}

void some_history(StorageFixture& server) {
  server.start();
  server.put_many("a", 3);
  if (server.manifest().mode != Mode::kNonPersistent) REQUIRE(server.snapshot().ok());
  server.put_many("b", 3);
  server.erase("a1");
  server.put_once({.id = {std::byte{1}}, .request_hash = 2, .applied = true}, "once", "1");
  server.remember({.id = {std::byte{2}}, .request_hash = 3, .value = -1});
  server.kill_and_start();
  server.put("c", std::string("\0 bytes \xff", 9));
  if (server.manifest().mode == Mode::kHybrid) REQUIRE(server.snapshot().ok());
  server.put("b1", "changed");
}

TEST_CASE("agreement: directories of every mode, after a kill, a clean stop, and a fresh start") {
  for (const Mode mode : {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid}) {
    StorageFixture server(mode);
    some_history(server);
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

TEST_CASE("agreement: sealed segments that SNAPSHOT keeps until the next snapshot") {
  StorageFixture server(Mode::kAof);
  some_history(server);
  REQUIRE(server.stop().ok());
  Files files = files_in(server.path());
  Manifest manifest = server.manifest();
  manifest.mode = Mode::kSnapshot;  // What the switch's one MANIFEST says, with the log sealed behind its snapshot.
  files["MANIFEST"] = to_text(manifest);
  const Verdict kept = agreed(files, "kept segments");
  CHECK(kept.start == Start::kServes);
  CHECK(sweep(files).torn == 0);
}

TEST_CASE("agreement: every bit and every cut of an AOF directory") {
  StorageFixture server(Mode::kAof);
  server.give("fsync", "never");  // A tail above the watermark.
  some_history(server);
  server.kill();
  const Tally tally = sweep(files_in(server.path(), 24));
  CHECK(tally.same > 0);
  CHECK(tally.torn > 0);
  CHECK(tally.refused > 0);
}

TEST_CASE("agreement: every bit and every cut of a HYBRID directory") {
  StorageFixture server(Mode::kHybrid);
  some_history(server);
  server.kill();
  const Tally tally = sweep(files_in(server.path(), 24));
  CHECK(tally.older > 0);
  CHECK(tally.refused > 0);
}

TEST_CASE("agreement: every bit and every cut of a SNAPSHOT directory") {
  StorageFixture server(Mode::kSnapshot);
  some_history(server);
  REQUIRE(server.stop().ok());
  const Tally tally = sweep(files_in(server.path()));
  CHECK(tally.torn == 0);
  CHECK(tally.refused > 0);
}

// Segments as rotation leaves them: no used size in MANIFEST, each sealed by its successor alone.
class RotatedLog {
 public:
  RotatedLog() {
    store_id_.fill(std::byte{9});
    REQUIRE(fs_.make_directory(kDisk).ok());
    REQUIRE(fs_.make_directory(std::string(kDisk) + "/aof").ok());
  }
  void segment() {
    const SegmentEnd before = writer_ ? writer_->end() : SegmentEnd{};
    const SegmentIdentity identity{.store_id = store_id_, .number = ++count_, .created_ms = 1};
    auto created = SegmentWriter::create(fs_, std::string(kDisk) + "/aof", identity, 4096, 512);
    REQUIRE(created.ok());
    writer_ = *std::move(created);
    REQUIRE(writer_->start(last_, before, 2).ok());
  }
  void batch(int records, Revision watermark) {
    std::vector<std::byte> bytes(kBatchHeaderBytes);
    BatchHeader header{.first_revision = last_ + 1, .durable_watermark = watermark, .clock_ms = 3};
    header.record_count = static_cast<std::uint32_t>(records);
    for (int i = 0; i < records; ++i) {
      const std::string value = fmt::format("value {}", ++last_);
      const Mutation mutation{.key = "key", .value = value};
      const std::size_t at = bytes.size();
      bytes.resize(at + record_bytes_of({&mutation, 1}, nullptr));
      encode_record(last_, {&mutation, 1}, nullptr, std::span(bytes).subspan(at));
    }
    header.payload_bytes = static_cast<std::uint32_t>(bytes.size() - kBatchHeaderBytes);
    writer_->seal(bytes, header);
    REQUIRE(writer_->write(bytes, last_).ok());
  }
  void jump_to(Revision revision) { last_ = revision; }
  Files files() const {
    Files files;
    for (std::uint64_t number = 1; number <= count_; ++number) {
      files["aof/" + segment_name(number)] = *fs_.contents(fmt::format("{}/aof/{}", kDisk, segment_name(number)));
    }
    Manifest manifest;
    manifest.store_id = store_id_;
    manifest.mode = Mode::kAof;
    manifest.revision_ceiling = 1000;
    manifest.segments.add(1, count_);
    manifest.next_segment = count_ + 1;
    files["MANIFEST"] = to_text(manifest);
    return files;
  }

 private:
  FaultyFileSystem fs_;
  StoreId store_id_{};
  std::unique_ptr<SegmentWriter> writer_;
  std::uint64_t count_ = 0;
  Revision last_ = 0;
};

TEST_CASE("agreement: the watermark's rule over several segments, every bit and every cut") {
  RotatedLog log;
  log.segment();
  log.batch(2, 0);
  log.batch(1, 2);
  log.segment();
  log.batch(1, 2);
  log.batch(0, 4);  // header-only
  log.segment();
  log.batch(2, 4);
  log.jump_to(20);  // A start after an unclean stop.
  log.segment();
  log.batch(1, 6);
  log.segment();
  const Tally tally = sweep(log.files());
  CHECK(tally.torn > 0);
  CHECK(tally.refused > 0);
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
