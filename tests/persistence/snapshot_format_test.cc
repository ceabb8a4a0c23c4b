#include "persistence/format/snapshot_format.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch.hpp>

#include "core/bytes.h"
#include "snapshot_fixture.h"
#include "tests/support/source_tree.h"

namespace kv {

using namespace snapshot_format;

namespace {

// The last block of hex on docs/formats/snapshot.md, as bytes.
std::string bytes_of_the_page() {
  std::ifstream page(source_path("docs/formats/snapshot.md"));
  const std::string text(std::istreambuf_iterator<char>(page), {});
  const std::size_t end = text.rfind("```");
  const std::size_t begin = text.rfind("```", end - 1) + 3;
  std::string digits;
  std::copy_if(text.begin() + static_cast<std::ptrdiff_t>(begin), text.begin() + static_cast<std::ptrdiff_t>(end),
               std::back_inserter(digits), [](unsigned char c) { return std::isxdigit(c) != 0; });
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace

TEST_CASE("snapshot format: the example of the page is a snapshot that loads") {
  SnapshotFixture fixture;
  fixture.write_file(bytes_of_the_page());
  Store store({.shard_count = 4});
  const auto info = fixture.load(store);
  REQUIRE(info.ok());
  CHECK(info->number() == 42);
  CHECK(info->cut() == 7);
  CHECK(fixture.dump(store) == "gone= v5 c5 x1700000001000\nk=v1 v7 c3 x0\n");
}

TEST_CASE("snapshot format: this code writes the bytes of the page") {
  SnapshotFixture fixture;
  fixture.write_example();
  CHECK(fixture.read_file() == bytes_of_the_page());
}

TEST_CASE("snapshot format: a golden file of version 1 loads") {
  SnapshotFixture fixture;
  std::ifstream golden(source_path("tests/testdata/snapshot-1.snap"), std::ios::binary);
  REQUIRE(golden);
  fixture.write_file(std::string(std::istreambuf_iterator<char>(golden), {}));
  Store store({.shard_count = 4});
  REQUIRE(fixture.load(store).ok());
  CHECK(fixture.dump(store) == "gone= v5 c5 x1700000001000\nk=v1 v7 c3 x0\n");
}

TEST_CASE("snapshot format: only names that we would write have a number") {
  CHECK(file_name(42) == "0000000000000042.snap");
  CHECK(number_of("0000000000000042.snap") == 42);
  CHECK(number_of(file_name(12345678901234567890U)) == 12345678901234567890U);
  for (const char* name : {"42.snap", "0000000000000042.snap.tmp", "000000000000004x.snap", "0000000000000042.aof",
                           "00000000000000042.snap", "+000000000000042.snap", ".snap", ""}) {
    CHECK_FALSE(number_of(name).has_value());
  }
}

TEST_CASE("snapshot format: a request id comes back as it was written") {
  RequestIdRecord record;
  record.id.fill(std::byte{7});
  record.request_hash = 1;
  record.revision = 2;
  record.added = 3;
  record.value = -4;
  record.time = 5;
  record.flags = 6;
  std::array<std::byte, kRequestIdBytes> bytes;
  encode(record, bytes);
  ByteReader reader(bytes);
  RequestIdRecord decoded;
  std::string_view why;
  REQUIRE(decode(reader, decoded, why));
  CHECK(decoded == record);
  CHECK(reader.left() == 0);
}

}  // namespace kv
