#include <fstream>
#include <iterator>
#include <sstream>

#include <catch2/catch.hpp>

#include "core/file_system.h"
#include "persistence/log_reader.h"
#include "persistence/log_replay.h"
#include "persistence/segment_writer.h"
#include "tests/support/source_tree.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The bytes between ```hex and ``` of a page.
std::string hex_of_page(const std::string& page) {
  const std::size_t begin = page.find("```hex\n") + 7;
  std::istringstream words(page.substr(begin, page.find("```", begin) - begin));
  std::string bytes;
  for (std::string word; words >> word;) bytes.push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
  return bytes;
}

StoreId store_id_of_page() {
  StoreId id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(i);
  return id;
}

void put_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST_CASE("log format: the segment in docs/formats/aof.md decodes to what the page says") {
  const std::string bytes = hex_of_page(read_text(source_path("docs/formats/aof.md")));
  TempDirectory directory;
  put_file(directory.file(segment_name(1)), bytes);

  auto reader = SegmentReader::open(posix_file_system(), directory.path(), store_id_of_page(), 1);
  REQUIRE(reader.ok());
  REQUIRE((*reader)->started());
  CHECK((*reader)->start_block().base_revision == 41);
  CHECK((*reader)->start_block().started_ms == 1'700'000'000'000);
  int records = 0;
  const auto stop = (*reader)->read(bytes.size(), [&](const LogRecord& record, Bytes) {
    ++records;
    CHECK(record.revision == 42);
    CHECK(record.clock == 1'700'000'000'123);
    REQUIRE(record.mutations.size() == 1);
    CHECK(record.mutations[0].kind == MutationKind::kSet);
    CHECK(record.mutations[0].key == "k");
    CHECK(record.mutations[0].value == "value");
    CHECK(record.mutations[0].expire_at == 1'700'000'060'000);
    return SegmentReader::After::kGoOn;
  });
  REQUIRE(stop.ok());
  CHECK(*stop == SegmentReader::Stop::kUsed);
  CHECK(records == 1);
  CHECK((*reader)->watermark() == 41);
}

TEST_CASE("log format: every kind of record survives encoding and decoding") {
  const RequestBlock request{.id = {std::byte{1}, std::byte{2}},
                             .request_hash = 77,
                             .applied = true,
                             .created = true,
                             .added = 3,
                             .value = -5};
  const std::string zeros("\0\n\0", 3);
  const std::vector<Mutation> mutations{
      {.kind = MutationKind::kSet, .type = ValueType::kHash, .expire_at = 5, .key = zeros, .value = ""},
      {.kind = MutationKind::kDelete, .key = "gone", .value = {}},
      {.kind = MutationKind::kSetExpiry, .expire_at = -1, .key = "later", .value = {}},
  };
  std::vector<std::byte> bytes(record_bytes_of(mutations, &request));
  encode_record(9, mutations, &request, bytes);
  seal_record(bytes, 1, 2);
  CHECK(record_intact(bytes, 1, 2));
  CHECK_FALSE(record_intact(bytes, 1, 3));
  CHECK_FALSE(record_intact(bytes, 2, 2));

  RecordHeader header;
  REQUIRE(decode(std::span(std::as_const(bytes)).first<kRecordHeaderBytes>(), header));
  std::vector<Mutation> storage;
  LogRecord record;
  REQUIRE(decode_body(header, bytes, storage, record));
  CHECK(record.revision == 9);
  CHECK(record.request == request);
  REQUIRE(record.mutations.size() == 3);
  CHECK(record.mutations[0].key == zeros);
  CHECK(record.mutations[0].type == ValueType::kHash);
  CHECK(record.mutations[0].expire_at == 5);
  CHECK(record.mutations[1].kind == MutationKind::kDelete);
  CHECK(record.mutations[2].expire_at == -1);
}

TEST_CASE("log format: a record that lies about its lengths does not decode") {
  const Mutation mutation{.key = "key", .value = "value"};
  std::vector<std::byte> good(record_bytes_of({&mutation, 1}, nullptr));
  encode_record(1, {&mutation, 1}, nullptr, good);
  std::vector<Mutation> storage;
  LogRecord record;
  for (std::size_t at = 8; at < kRecordHeaderBytes + kMutationHeaderBytes; ++at) {
    for (const int bit : {0, 3, 7}) {
      auto bytes = good;
      bytes[at] ^= static_cast<std::byte>(1 << bit);
      RecordHeader header;
      // Whatever it says, nothing beyond the record's bytes is touched: the sanitizers look on.
      if (decode(std::span(std::as_const(bytes)).first<kRecordHeaderBytes>(), header)) {
        decode_body(header, bytes, storage, record);
      }
    }
  }
  CHECK(decode_body({.record_bytes = static_cast<std::uint32_t>(good.size()), .mutation_count = 1}, good, storage,
                    record));
  CHECK_FALSE(decode_body({.record_bytes = static_cast<std::uint32_t>(good.size()), .mutation_count = 2}, good, storage,
                          record));
  CHECK_FALSE(decode_body({.record_bytes = static_cast<std::uint32_t>(good.size()), .mutation_count = 0}, good, storage,
                          record));
}

TEST_CASE("log format: segment names are numbers of sixteen digits, and nothing else is") {
  CHECK(segment_name(42) == "0000000000000042.aof");
  CHECK(segment_number("0000000000000042.aof") == 42);
  for (const char* name : {"42.aof", "0000000000000000.aof", "000000000000004x.aof", "0000000000000042.snap", ".aof",
                           "", "+000000000000042.aof", "00000000000000042.aof"}) {
    CHECK_FALSE(segment_number(name));
  }
}

TEST_CASE("log format: the golden log of version 1 reads as it was written") {
  const std::string directory = source_path("tests/testdata/aof-1");
  const std::vector<NamedSegment> segments{{1, std::nullopt}, {2, std::nullopt}};
  std::vector<std::string> seen;
  const auto replay =
      replay_log(posix_file_system(), directory, store_id_of_page(), segments, [&](const LogRecord& record) {
        for (const Mutation& mutation : record.mutations) {
          seen.push_back(std::to_string(record.revision) + " " + std::to_string(static_cast<int>(mutation.kind)) + " " +
                         std::string(mutation.key) + "=" + std::string(mutation.value) + (record.request ? " id" : ""));
        }
      });
  REQUIRE(replay.ok());
  CHECK(seen == std::vector<std::string>{"1 1 a=1", "2 1 b=2 id", "2 2 a= id", "3 1 c=3", "4 3 c="});
  CHECK(replay->last_revision == 4);
  CHECK(replay->watermark == 3);
  CHECK(replay->clock == 1'700'000'000'002);
  CHECK(replay->discarded_bytes == 0);
}

// Not run by ctest: writes what the page and the golden directory hold. `persistence_test "[write-golden]"`, KV_GOLDEN
// set.
TEST_CASE("golden log: write the page's segment and the golden log", "[.][write-golden]") {
  const char* target = std::getenv("KV_GOLDEN");
  REQUIRE(target != nullptr);
  const auto batch = [](SegmentWriter& segment, Revision revision, Revision watermark, UnixMillis clock,
                        std::vector<Mutation> mutations, const RequestBlock* request) {
    std::vector<std::byte> bytes(kBatchHeaderBytes + record_bytes_of(mutations, request));
    const auto record = std::span(bytes).subspan(kBatchHeaderBytes);
    encode_record(revision, mutations, request, record);
    segment.seal(bytes, {.payload_bytes = static_cast<std::uint32_t>(record.size()),
                         .first_revision = revision,
                         .durable_watermark = watermark,
                         .clock_ms = clock,
                         .record_count = 1});
    REQUIRE(segment.write(bytes, revision).ok());
  };
  const auto create = [&](std::uint64_t number) {
    const SegmentIdentity identity{.store_id = store_id_of_page(), .number = number, .created_ms = 1'700'000'000'000};
    auto segment = SegmentWriter::create(posix_file_system(), target, identity, 1 << 20, 128);
    REQUIRE(segment.ok());
    return std::move(*segment);
  };
  const RequestBlock request{.id = {std::byte{1}}, .request_hash = 2, .applied = true};
  auto first = create(1);
  REQUIRE(first->start(0, {}, 1'700'000'000'000).ok());
  batch(*first, 1, 0, 1'700'000'000'001, {{.key = "a", .value = "1"}}, nullptr);
  batch(*first, 2, 1, 1'700'000'000'001,
        {{.key = "b", .value = "2"}, {.kind = MutationKind::kDelete, .key = "a", .value = {}}}, &request);
  REQUIRE(first->file().truncate(first->used()).ok());
  auto second = create(2);
  REQUIRE(second->start(2, first->end(), 1'700'000'000'001).ok());
  batch(*second, 3, 2, 1'700'000'000'002, {{.expire_at = 1'700'000'000'002, .key = "c", .value = "3"}}, nullptr);
  batch(*second, 4, 3, 1'700'000'000'002, {{.kind = MutationKind::kExpire, .key = "c", .value = {}}}, nullptr);
  REQUIRE(second->file().truncate(second->used()).ok());
}

}  // namespace kv
