// Whatever happens to the bytes, the reader finds the same state, a prefix of it down to the watermark, or corruption.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/file_system.h"
#include "persistence/log_replay.h"
#include "persistence/segment_writer.h"
#include "tests/support/open_file_limit.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

constexpr UnixMillis kNow = 1'700'000'000'000;

// A log built by hand: what was written, when the watermark moved.
class HandmadeLog {
 public:
  HandmadeLog() { store_id_.fill(std::byte{9}); }

  void start_segment(Revision base) {
    const SegmentEnd predecessor = segment_ ? segment_->end() : SegmentEnd{};
    const SegmentIdentity identity{.store_id = store_id_, .number = named_.size() + 1, .created_ms = kNow};
    auto created = SegmentWriter::create(posix_file_system(), directory_.path(), identity, 1 << 20, 1024);
    REQUIRE(created.ok());
    if (segment_) REQUIRE(segment_->file().truncate(segment_->used()).ok());
    segment_ = std::move(*created);
    REQUIRE(segment_->start(base, predecessor, kNow).ok());
    last_ = base;
    named_.push_back({identity.number, std::nullopt});
  }
  // A batch of `count` records; their values tell their revisions.
  void batch(int count, Revision watermark) {
    std::vector<std::byte> bytes(kBatchHeaderBytes);
    const BatchHeader header{.payload_bytes = 0,
                             .first_revision = last_ + 1,
                             .durable_watermark = watermark,
                             .clock_ms = kNow,
                             .record_count = static_cast<std::uint32_t>(count)};
    for (int i = 0; i < count; ++i) {
      const std::string value = "value " + std::to_string(++last_);
      const Mutation mutation{.key = "key", .value = value};
      const std::size_t at = bytes.size();
      bytes.resize(at + record_bytes_of({&mutation, 1}, nullptr));
      encode_record(last_, {&mutation, 1}, nullptr, std::span(bytes).subspan(at));
    }
    BatchHeader sized = header;
    sized.payload_bytes = static_cast<std::uint32_t>(bytes.size() - kBatchHeaderBytes);
    segment_->seal(bytes, sized);
    REQUIRE(segment_->write(bytes, last_).ok());
  }
  std::string path(std::uint64_t number) const { return directory_.file(segment_name(number)); }
  std::string bytes(std::uint64_t number) const {
    std::ifstream in(path(number), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(std::uint64_t number, const std::string& bytes) const {
    std::ofstream(path(number), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  // In place: a file that is cut and written again is flushed by some file systems, thousands of times.
  void poke(std::uint64_t number, std::size_t at, char byte) const {
    std::fstream file(path(number), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
  absl::StatusOr<LogReplay> replay(FileSystem& fs = posix_file_system()) const {
    return replay_log(fs, directory_.path(), store_id_, named_, [](const LogRecord& record) {
      REQUIRE(record.mutations.size() == 1);
      REQUIRE(record.mutations[0].value == "value " + std::to_string(record.revision));
    });
  }
  absl::StatusOr<SafeTail> make_safe(const LogReplay& replay) const {
    return copy_tail(posix_file_system(), directory_.path(), store_id_, replay, next_number(), kNow);
  }
  // As the MANIFEST of a start does it that has made `safe` of the log.
  void name(const SafeTail& safe) {
    std::erase_if(named_, [&](const NamedSegment& segment) { return segment.number > safe.cut.number; });
    if (!named_.empty()) named_.back().used = safe.cut.used;
    if (safe.tail.number != 0) named_.push_back({safe.tail.number, safe.tail.used});
  }
  // The first segment of the next run, behind `safe`: prepared, begun by no batch.
  void start_run(const SafeTail& safe, Revision base) {
    const SegmentIdentity identity{.store_id = store_id_, .number = next_number(), .created_ms = kNow};
    auto created = SegmentWriter::create(posix_file_system(), directory_.path(), identity, 1 << 20, 1024);
    REQUIRE(created.ok());
    segment_ = std::move(*created);
    REQUIRE(segment_->start(base, safe.end(), kNow).ok());
    last_ = base;
    named_.push_back({identity.number, std::nullopt});
  }
  // One that nobody began.
  void prepare() {
    const SegmentIdentity identity{.store_id = store_id_, .number = next_number(), .created_ms = kNow};
    REQUIRE(SegmentWriter::create(posix_file_system(), directory_.path(), identity, 1 << 20, 1024).ok());
    named_.push_back({identity.number, std::nullopt});
  }
  std::uint64_t next_number() const {
    std::uint64_t highest = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      highest = std::max<std::uint64_t>(highest, std::stoull(entry.path().stem().string()));
    }
    return highest + 1;
  }

  TempDirectory directory_;
  StoreId store_id_{};
  std::unique_ptr<SegmentWriter> segment_;
  std::vector<NamedSegment> named_;
  Revision last_ = 0;
};

// Two segments; 1..5 in the first, 6..10 in the second, the last header says that 8 was durable.
void write_two_segments(HandmadeLog& log) {
  log.start_segment(0);
  log.batch(2, 0);
  log.batch(3, 2);
  log.start_segment(5);
  log.batch(3, 5);
  log.batch(2, 8);
}

void check_verdict(const absl::StatusOr<LogReplay>& replay, Revision written) {
  if (!replay.ok()) {
    CHECK(has_reason(replay.status(), Reason::kChecksum));
    CHECK(facts_of(replay.status()).count("offset") == 1);
    return;
  }
  CHECK(replay->last_revision <= written);
  CHECK(replay->last_revision >= replay->watermark);
}

// The log that a start finds behind one that found `before` and served nobody.
LogReplay replay_after_start(HandmadeLog& log, const LogReplay& before) {
  const auto safe = log.make_safe(before);
  REQUIRE(safe.ok());
  log.name(*safe);
  auto after = log.replay();
  INFO(after.status().ToString());
  REQUIRE(after.ok());
  return *std::move(after);
}

}  // namespace

TEST_CASE("log: every bit flipped gives the same state, a torn tail or corruption, never a wrong value") {
  HandmadeLog log;
  write_two_segments(log);
  REQUIRE(log.replay().ok());
  int refused = 0, shortened = 0, same = 0;
  for (const std::uint64_t number : {1, 2}) {
    const std::string good = log.bytes(number);
    const std::size_t used = number == 1 ? good.size() : log.segment_->used() + 16;
    for (std::size_t at = 0; at < used; ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        log.poke(number, at, static_cast<char>(good[at] ^ (1 << bit)));
        const auto replay = log.replay();
        check_verdict(replay, 10);
        if (!replay.ok()) {
          ++refused;
        } else if (replay->last_revision == 10) {
          ++same;
        } else {
          // What the log itself says was durable is never given up: 8, by the last header, unless that header is what
          // was hit.
          CHECK(replay->last_revision >= 5);
          ++shortened;
        }
        // Anything in the first segment is below the watermark of the second.
        if (number == 1) CHECK_FALSE(replay.ok());
      }
      log.poke(number, at, good[at]);
    }
  }
  CHECK(refused > 0);
  CHECK(shortened > 0);
  CHECK(same > 0);  // In the zeros behind the end.
}

TEST_CASE("log: cut at every byte, the rest is a prefix, and above the watermark nothing is called corruption") {
  HandmadeLog log;
  write_two_segments(log);
  Revision before = 10;
  for (std::size_t size = log.bytes(2).size(); size-- > 0;) {
    std::filesystem::resize_file(log.path(2), size);
    const auto replay = log.replay();
    if (size < kSegmentHeaderBytes) {
      CHECK_FALSE(replay.ok());  // The header was synced before MANIFEST named the file.
      continue;
    }
    REQUIRE(replay.ok());
    CHECK(replay->last_revision <= before);
    before = replay->last_revision;
  }
  CHECK(before == 5);
}

TEST_CASE("log: a write that was torn anywhere is a torn tail, and its length is told") {
  HandmadeLog log;
  log.start_segment(0);
  log.batch(2, 0);
  const std::uint64_t begin = log.segment_->used();
  log.batch(3, 2);
  const std::uint64_t end = log.segment_->used();
  for (std::uint64_t torn = end; torn-- > begin;) {
    log.poke(1, torn, '\0');
    const auto replay = log.replay();
    REQUIRE(replay.ok());
    CHECK(replay->last_revision >= 2);
    if (replay->discarded_bytes != 0) CHECK(replay->tail_offset + replay->discarded_bytes <= torn);
    if (torn == begin) {
      CHECK(replay->last_revision == 2);
      CHECK(replay->discarded_bytes == 0);
    }
  }
}

TEST_CASE("log: stale bytes of another segment, zeros and noise behind the end are never read") {
  HandmadeLog log;
  write_two_segments(log);
  const std::string first = log.bytes(1), second = log.bytes(2);
  const std::uint64_t used = log.segment_->used();
  const std::string batches = first.substr(kSegmentHeaderBytes);
  for (const std::string& stale : {batches, std::string(4096, '\xa5'), second.substr(kSegmentHeaderBytes, 200)}) {
    log.put(2, second.substr(0, used) + stale);
    const auto replay = log.replay();
    REQUIRE(replay.ok());
    CHECK(replay->last_revision == 10);
    CHECK(replay->discarded_bytes > 0);
  }
}

TEST_CASE("log: swapped, missing, doubled and foreign segments are refused") {
  HandmadeLog log;
  write_two_segments(log);
  const std::string first = log.bytes(1), second = log.bytes(2);
  log.put(1, second);
  CHECK_FALSE(log.replay().ok());
  log.put(1, first);
  log.put(2, first);
  CHECK_FALSE(log.replay().ok());
  log.put(2, second);
  std::swap(log.named_[0], log.named_[1]);
  CHECK_FALSE(log.replay().ok());
  std::swap(log.named_[0], log.named_[1]);
  std::filesystem::remove(log.path(2));
  CHECK_FALSE(log.replay().ok());
  log.put(2, second);
  REQUIRE(log.replay().ok());
  log.store_id_.fill(std::byte{1});
  CHECK_FALSE(log.replay().ok());
}

TEST_CASE("log: a used size in MANIFEST is strict, and may cut a batch between records") {
  HandmadeLog log;
  log.start_segment(0);
  log.batch(3, 0);
  const std::uint64_t record_bytes = record_bytes_of(12 + 3 + 7, false);
  log.named_[0].used = kSegmentHeaderBytes + kBatchHeaderBytes + 2 * record_bytes;
  auto replay = log.replay();
  REQUIRE(replay.ok());
  CHECK(replay->last_revision == 2);
  CHECK(replay->sealed);
  CHECK(replay->watermark == 2);
  *log.named_[0].used += 1;
  CHECK_FALSE(log.replay().ok());
}

TEST_CASE("log: the tail above the watermark moves to a segment of its own, and the log reads the same") {
  HandmadeLog log;
  write_two_segments(log);
  const auto before = log.replay();
  REQUIRE(before.ok());
  CHECK(before->watermark == 8);
  const auto safe = log.make_safe(*before);
  REQUIRE(safe.ok());
  CHECK(safe->cut.number == 2);
  CHECK(safe->cut.last_revision == 8);
  CHECK(safe->tail.number == 3);
  CHECK(safe->tail.last_revision == 10);
  log.named_[1].used = safe->cut.used;
  log.named_.push_back({3, safe->tail.used});
  const auto after = log.replay();
  REQUIRE(after.ok());
  CHECK(after->last_revision == 10);
  CHECK(after->records == before->records);
  CHECK(after->sealed);
  CHECK(after->segments.back().end == safe->end());
}

TEST_CASE("log: with nothing known to be durable the whole log moves, with everything durable nothing does") {
  HandmadeLog log;
  log.start_segment(0);
  log.batch(3, 0);
  auto replay = log.replay();
  REQUIRE(replay.ok());
  auto safe = log.make_safe(*replay);
  REQUIRE(safe.ok());
  CHECK(safe->cut.number == 0);
  CHECK(safe->tail.last_revision == 3);

  HandmadeLog carried;
  carried.start_segment(0);
  carried.batch(3, 0);
  const std::uint64_t used = carried.segment_->used();
  carried.batch(0, 3);
  replay = carried.replay();
  REQUIRE(replay.ok());
  safe = carried.make_safe(*replay);
  REQUIRE(safe.ok());
  CHECK(safe->tail.number == 0);
  CHECK(safe->cut.last_revision == 3);
  CHECK(align_batch(safe->cut.used) == used);  // The header-only batch itself may not have been synced.
}

TEST_CASE("log: a tail that moves out of the oldest segment begins where that one does, whatever the watermark") {
  HandmadeLog log;
  log.start_segment(100);  // What was before it has been trimmed;
  log.batch(3, 50);        // its headers were sealed before the sync that allowed that had ended.
  log.batch(2, 50);
  const auto before = log.replay();
  REQUIRE(before.ok());
  REQUIRE(before->watermark == 50);
  const LogReplay after = replay_after_start(log, *before);
  CHECK(after.records == 5);
  CHECK(after.last_revision == 105);
  CHECK(after.segments.front().base_revision == 100);
}

TEST_CASE("log: a jump that no record follows stays, through any number of starts that end early") {
  HandmadeLog log;
  log.start_segment(0);
  log.batch(10, 0);
  auto replay = log.replay();
  REQUIRE(replay.ok());
  auto safe = log.make_safe(*replay);
  REQUIRE(safe.ok());
  log.name(*safe);
  log.start_run(*safe, 1000);
  for (int start = 0; start < 3; ++start) {
    INFO("start " << start);
    replay = log.replay();
    INFO(replay.status().ToString());
    REQUIRE(replay.ok());
    CHECK(replay->last_revision == 1000);
    CHECK(replay->records == 10);
    safe = log.make_safe(*replay);
    REQUIRE(safe.ok());
    CHECK(safe->end().last_revision == 1000);
    log.name(*safe);
    if (start > 0) log.prepare();
  }
}

TEST_CASE("log: a jump says that what is before it was on disk") {
  HandmadeLog log;
  log.start_segment(0);
  log.batch(10, 0);
  log.start_run({.cut = log.segment_->end(), .tail = {}}, 1000);
  log.batch(2, 0);
  const auto before = log.replay();
  REQUIRE(before.ok());
  const LogReplay after = replay_after_start(log, *before);
  CHECK(after.records == 12);
  CHECK(after.last_revision == 1002);
}

TEST_CASE("log: a log of any number of segments is read with two files open, and judged with two") {
  HandmadeLog log;
  for (Revision i = 0; i < 50; ++i) {
    log.start_segment(i);
    log.batch(1, i);
  }
  OpenFileLimit two(posix_file_system(), 2);
  const auto whole = log.replay(two);
  INFO(whole.status().ToString());
  REQUIRE(whole.ok());
  CHECK(whole->last_revision == 50);
  // From the first one on every other is searched for a watermark.
  log.poke(1, kSegmentHeaderBytes + 60, 'x');
  const auto damaged = log.replay(two);
  CHECK(has_reason(damaged.status(), Reason::kChecksum));
}

TEST_CASE("log: an empty log has nothing to move") {
  HandmadeLog log;
  log.start_segment(7);
  const auto replay = log.replay();
  REQUIRE(replay.ok());
  CHECK(replay->last_revision == 7);
  const auto safe = log.make_safe(*replay);
  REQUIRE(safe.ok());
  CHECK(safe->end().number == 0);
}

}  // namespace kv
