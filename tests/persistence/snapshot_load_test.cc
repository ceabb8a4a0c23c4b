#include <atomic>
#include <string>

#include <catch2/catch.hpp>

#include "core/bytes.h"
#include "core/error.h"
#include "persistence/snapshot_entry.h"
#include "persistence/snapshot_loader.h"
#include "snapshot_fixture.h"

namespace kv {

using namespace snapshot_format;

namespace {

// Refused as damage, with the file named, and nothing loaded.
void check_refused(const SnapshotFixture& fixture) {
  Store store({.shard_count = 1});
  const auto info = fixture.load(store);
  REQUIRE_FALSE(info.ok());
  REQUIRE(has_reason(info.status(), Reason::kChecksum));
  REQUIRE(facts_of(info.status())["file"] == fixture.path);
  REQUIRE(facts_of(info.status()).contains("offset"));
  REQUIRE(store.totals().keys == 0);
  REQUIRE(store.requests().count_frozen() == 0);
}

// A file of one block that says what it likes, with a right digest and a right footer, but for how many entries it
// claims.
std::string forge(const FileHeader& header, const BlockHeader& block, std::uint64_t entries,
                  std::uint64_t request_ids = 0) {
  const FileHeaderBytes first = encode(header);
  const BlockHeaderBytes second = encode(block);
  DigestStream digest;
  digest.update(first);
  digest.update(second);
  const Footer footer{.blocks = 1,
                      .entries = entries,
                      .request_ids = request_ids,
                      .file_bytes = kFileHeaderBytes + kBlockHeaderBytes + kFooterBytes,
                      .cut = header.cut,
                      .digest = digest.value()};
  const FooterBytes last = encode(footer, seed_of(first));
  return std::string(as_text(first)) + std::string(as_text(second)) + std::string(as_text(last));
}

}  // namespace

TEST_CASE("snapshot: a forged block header is refused before its length is believed") {
  SnapshotFixture fixture;
  BlockHeader block{.count = 1};
  std::string_view why;
  SECTION("longer than the file") {
    block.stored_bytes = block.raw_bytes = kBlockBytesMax;
    why = "block too long";
  }
  SECTION("longer than any block") {
    block.stored_bytes = block.raw_bytes = ~std::uint64_t{0};
    why = "block size";
  }
  SECTION("compressed") {
    block.codec = Codec::kZstd;
    why = "compressed";
  }
  SECTION("of a kind that there is not") {
    block.kind = static_cast<BlockKind>(3);
    why = "block kind";
  }
  SECTION("out of order") {
    block.index = 1;
    why = "block out of order";
  }
  fixture.write_file(forge(fixture.header, block, block.count));
  check_refused(fixture);
  Store store({.shard_count = 1});
  CHECK(fixture.load(store).status().ToString().find(why) != std::string::npos);
}

TEST_CASE("snapshot: whatever the store holds comes back, byte for byte") {
  SnapshotFixture fixture;
  fixture.header.cut = 100;
  Store store({.shard_count = 8});
  set(store, "plain", "value", 1);
  set(store, "empty", "", 2);
  set(store, std::string("nul\0key", 7), std::string("\0\n\xff", 3), 3);
  set(store, "expires", "soon", 4, 1'800'000'000'000);
  set(store, "was due long ago", "still here", 5, 1);
  set(store, "a list", "encoded", 6, kNoExpiry, ValueType::kList);
  set(store, "overwritten", "first", 7);
  set(store, "overwritten", "second", 8);
  set(store, "large", std::string(4 << 20, 'x'), 100);
  const Footer written = fixture.write(store);
  CHECK(written.entries == 8);
  CHECK(written.state_digest == store.totals().digest);

  Store loaded({.shard_count = 2});
  const auto info = fixture.load(loaded);
  REQUIRE(info.ok());
  CHECK(info->header == fixture.header);
  CHECK(SnapshotFixture::dump(loaded) == SnapshotFixture::dump(store));
  CHECK(loaded.totals().digest == store.totals().digest);
}

TEST_CASE("snapshot: an empty store is a snapshot like any other") {
  SnapshotFixture fixture;
  Store store({.shard_count = 1});
  CHECK(fixture.write(store).blocks == 0);
  REQUIRE(fixture.load(store).ok());
  CHECK(store.totals().keys == 0);
}

TEST_CASE("snapshot: a hundred thousand keys load on four threads, with every byte counted once in the progress") {
  SnapshotFixture fixture;
  fixture.header.cut = 100'000;
  fixture.buffer_bytes = kBlockTargetBytes / 8;
  Store store({.shard_count = 16});
  for (Revision i = 1; i <= 100'000; ++i) {
    const std::string key = "key-" + std::to_string(i);
    set(store, key, key + "-value", i, i % 3 == 0 ? static_cast<UnixMillis>(1'800'000'000'000 + i) : kNoExpiry);
  }
  const Footer written = fixture.write(store);
  CHECK(written.blocks > 20);

  Store loaded({.shard_count = 64});
  std::atomic<std::uint64_t> bytes = 0;
  const auto info = load_snapshot(posix_file_system(), fixture.path, fixture.expected, loaded,
                                  {.threads = 4, .progress = [&](std::uint64_t more) { bytes += more; }});
  REQUIRE(info.ok());
  CHECK(loaded.totals().keys == 100'000);
  CHECK(loaded.totals().digest == store.totals().digest);
  CHECK(bytes == written.file_bytes - kFileHeaderBytes - kFooterBytes);
}

TEST_CASE("snapshot: an entry larger than the buffer has a block for itself, and its neighbours survive") {
  SnapshotFixture fixture;
  fixture.buffer_bytes = SnapshotWriter::kBufferBytesMin;
  const std::string large(3 << 20, 'y');
  const Footer written = fixture.write({{.type = 1, .version = 1, .create_version = 1, .key = "a", .value = "1"},
                                        {.type = 1, .version = 2, .create_version = 2, .key = "b", .value = large},
                                        {.type = 1, .version = 3, .create_version = 3, .key = "c", .value = "3"}});
  CHECK(written.blocks == 3);
  Store store({.shard_count = 1});
  REQUIRE(fixture.load(store).ok());
  CHECK(store.totals().data_bytes == 5 + large.size());
}

TEST_CASE("snapshot: any flipped bit is damage, never another value") {
  SnapshotFixture fixture;
  fixture.write({{.type = 1, .version = 7, .create_version = 3, .key = "k", .value = "v1"}}, {RequestIdRecord{}});
  const std::string good = fixture.read_file();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    fixture.write_file(bad);
    INFO("bit " << bit);
    check_refused(fixture);
  }
}

TEST_CASE("snapshot: damage is reported where the damaged block begins") {
  SnapshotFixture fixture;
  fixture.write_example();
  std::string bad = fixture.read_file();
  bad[kFileHeaderBytes + kBlockHeaderBytes + kEntryHeaderBytes] = 'K';
  fixture.write_file(bad);
  Store store({.shard_count = 1});
  const absl::Status status = fixture.load(store).status();
  CHECK(facts_of(status)["offset"] == std::to_string(kFileHeaderBytes));
  CHECK(status.ToString().find("block checksum") != std::string::npos);
}

TEST_CASE("snapshot: cut at any byte, or longer by one, it is damage") {
  SnapshotFixture fixture;
  fixture.write_example();
  const std::string good = fixture.read_file();
  for (std::size_t size = 0; size < good.size(); ++size) {
    fixture.write_file(good.substr(0, size));
    INFO("size " << size);
    check_refused(fixture);
  }
  fixture.write_file(good + '\0');
  check_refused(fixture);
  fixture.write_file(good + good);
  check_refused(fixture);
}

TEST_CASE("snapshot: a good file that is not the one expected is refused") {
  SnapshotFixture fixture;
  const Footer written = fixture.write_example();
  SECTION("of another store") { fixture.expected.store_id[0] = std::byte{0xff}; }
  SECTION("of another number") { fixture.expected.number = 43; }
  SECTION("of another revision") { fixture.expected.cut = 8; }
  SECTION("of another size") { fixture.expected.file_bytes = written.file_bytes + 1; }
  SECTION("with another digest") { fixture.expected.digest = Digest128{1, 2}; }
  check_refused(fixture);
}

TEST_CASE("snapshot: the file that MANIFEST describes is accepted") {
  SnapshotFixture fixture;
  const Footer written = fixture.write_example();
  fixture.expected.cut = 7;
  fixture.expected.file_bytes = written.file_bytes;
  fixture.expected.digest = written.digest;
  Store store({.shard_count = 1});
  CHECK(fixture.load(store).ok());
}

TEST_CASE("snapshot: entries that no writer of ours makes are refused, though every checksum is right") {
  SnapshotFixture fixture;
  EntryRecord entry{.type = 1, .version = 7, .create_version = 3, .expire_at = 0, .key = "k", .value = "v"};
  SECTION("changed after the cut") { entry.version = 8; }
  SECTION("created after it was changed") { entry.create_version = 8; }
  SECTION("type zero") { entry.type = 0; }
  SECTION("a type of the future") { entry.type = 6; }
  fixture.write({entry});
  check_refused(fixture);
}

TEST_CASE("snapshot: a key that is there twice is refused, and the store is empty again") {
  SnapshotFixture fixture;
  const EntryRecord entry{.type = 1, .version = 1, .create_version = 1, .expire_at = 0, .key = "k", .value = "v"};
  fixture.write({entry, entry});
  check_refused(fixture);
}

TEST_CASE("snapshot: request ids come back with everything that is kept of them, the youngest of an id") {
  SnapshotFixture fixture;
  fixture.header.cut = 50;
  constexpr UnixMillis kTime = 1'700'000'000'000;
  const RememberedRequest applied{
      .block = {.id = {std::byte{9}}, .request_hash = 8, .applied = true, .created = true, .added = 7, .value = -6},
      .revision = 40,
      .time = kTime};
  RememberedRequest unapplied = applied;
  unapplied.block.id = {std::byte{10}};
  unapplied.block.applied = unapplied.block.created = false;
  RememberedRequest older = applied;
  older.time -= 1000;
  older.block.request_hash = 1;
  Store store({.shard_count = 1});
  set(store, "k", "v", 1);
  for (const RememberedRequest& request : {unapplied, applied}) store.requests().restore(request);
  const Footer written = fixture.write(store);
  CHECK(written.request_ids == 2);

  Store loaded({.shard_count = 4});
  REQUIRE(fixture.load(loaded).ok());
  CHECK(loaded.requests().find(applied.block.id, kTime) == applied);
  // What changed nothing has no revision in the file; the cut is no lower.
  unapplied.revision = 50;
  CHECK(loaded.requests().find(unapplied.block.id, kTime) == unapplied);

  // Blocks may come in any order, so the time decides.
  fixture.write({}, {record_of(applied), record_of(older)});
  Store again({.shard_count = 4});
  REQUIRE(fixture.load(again).ok());
  CHECK(again.requests().find(applied.block.id, kTime) == applied);
}

TEST_CASE("snapshot: of more request ids than the window holds, the youngest are loaded") {
  SnapshotFixture fixture;
  std::vector<RequestIdRecord> records(3000);
  for (std::size_t i = 0; i < records.size(); ++i) {
    store<std::uint64_t>(records[i].id.data(), i);
    records[i].time = 1'700'000'000'000 + static_cast<std::int64_t>(i * 7919 % records.size());  // in no order
  }
  CHECK(fixture.write({}, records).blocks > 10);
  Store loaded({.shard_count = 1, .requests = {.age = std::chrono::hours(1), .count = 100}});
  REQUIRE(
      load_snapshot(posix_file_system(), fixture.path, fixture.expected, loaded, {.threads = 4, .progress = {}}).ok());
  const UnixMillis now = 1'700'000'003'000;
  CHECK(loaded.requests().figures(now).ids == 100);
  for (const RequestIdRecord& record : records) {
    CHECK(loaded.requests().find(record.id, now).has_value() == (record.time >= 1'700'000'002'900));
  }
}

TEST_CASE("snapshot: request ids that no writer of ours makes are refused, though every checksum is right") {
  SnapshotFixture fixture;
  RequestIdRecord record;
  SECTION("changed after the cut") { record.revision = 8; }
  SECTION("a flag of the future") { record.flags = 4; }
  fixture.write({{.type = 1, .version = 1, .create_version = 1, .key = "k", .value = "v"}}, {record});
  check_refused(fixture);
}

TEST_CASE("snapshot: a missing file is not damage") {
  SnapshotFixture fixture;
  Store store({.shard_count = 1});
  CHECK(absl::IsNotFound(fixture.load(store).status()));
}

TEST_CASE("snapshot: of two damaged blocks the first in the file is reported, whichever thread is sooner") {
  SnapshotFixture fixture;
  fixture.header.cut = 20'000;
  Store store({.shard_count = 4});
  for (Revision i = 1; i <= 20'000; ++i) set(store, "key-" + std::to_string(i), "value", i);
  const Footer written = fixture.write(store);
  REQUIRE(written.blocks > 100);
  const auto file = SnapshotFile::open(posix_file_system(), fixture.path, fixture.expected);
  REQUIRE(file.ok());
  // Two threads begin at 0 and in the middle: the second meets its damage at once, the first at its very end.
  const std::size_t middle = written.blocks / 2;
  const std::uint64_t first = file->blocks()[middle - 1].offset, second = file->blocks()[middle].offset;
  std::string bad = fixture.read_file();
  for (const std::uint64_t offset : {first, second}) bad[offset + kBlockHeaderBytes] ^= 1;
  fixture.write_file(bad);
  Store loaded({.shard_count = 4});
  const auto failed =
      load_snapshot(posix_file_system(), fixture.path, fixture.expected, loaded, {.threads = 2, .progress = {}});
  REQUIRE(has_reason(failed.status(), Reason::kChecksum));
  CHECK(facts_of(failed.status())["offset"] == std::to_string(first));
  CHECK(loaded.totals().keys == 0);
}

TEST_CASE("snapshot: what was loaded before the damage is gone when the load has failed, and the next file is loaded") {
  SnapshotFixture fixture;
  fixture.header.cut = 20'000;
  fixture.buffer_bytes = kBlockTargetBytes / 8;
  Store store({.shard_count = 4});
  for (Revision i = 1; i <= 20'000; ++i) {
    set(store, "key-" + std::to_string(i), "value", i, i % 3 == 0 ? UnixMillis{1'800'000'000'000} : kNoExpiry);
  }
  const Footer written = fixture.write(store);
  CHECK(written.blocks > 3);
  const std::string good = fixture.read_file();
  std::string bad = good;
  bad[bad.size() - kFooterBytes - 1] ^= 1;  // of the last block's last entry

  Store loaded({.shard_count = 4});
  const std::uint64_t memory = loaded.totals().memory_bytes;
  std::uint64_t bytes = 0;
  fixture.write_file(bad);
  const auto failed = load_snapshot(posix_file_system(), fixture.path, fixture.expected, loaded,
                                    {.threads = 1, .progress = [&](std::uint64_t more) { bytes += more; }});
  CHECK(has_reason(failed.status(), Reason::kChecksum));
  CHECK(bytes > good.size() / 2);  // the others were loaded
  CHECK(loaded.totals().keys == 0);
  CHECK(loaded.totals().memory_bytes == memory);
  CHECK(loaded.next_expiry() == kNoExpiry);
  fixture.write_file(good);
  REQUIRE(fixture.load(loaded).ok());
  CHECK(loaded.totals().digest == store.totals().digest);
}

TEST_CASE(
    "snapshot: a footer that claims more entries than the file has bytes for is refused without memory for them") {
  SnapshotFixture fixture;
  constexpr std::uint64_t kClaimed = std::uint64_t{1} << 60;
  SECTION("keys") { fixture.write_file(forge(fixture.header, {.count = 1}, kClaimed)); }
  SECTION("request ids") { fixture.write_file(forge(fixture.header, {.count = 1}, 1, kClaimed)); }
  check_refused(fixture);
}

}  // namespace kv
