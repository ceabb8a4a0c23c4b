#include "core/wire.h"

#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include <catch2/catch.hpp>

using namespace kv;

TEST_CASE("wire: fields are written from the last to the first, a nested message after its content") {
  std::array<char, 64> room;
  WireWriter writer(room.data() + room.size(), room.size());
  const std::size_t mark = writer.size();
  writer.text(2, "v");
  writer.number(1, 300);
  writer.enclose(3, mark);
  writer.boolean(2, true);
  writer.number(1, 0);  // nothing, as proto3 has it
  writer.always(1, 0);
  CHECK(writer.written() == std::string("\x08\x00\x10\x01\x1a\x06\x08\xac\x02\x12\x01v", 12));
}

TEST_CASE("wire: every number comes back as it was written") {
  for (const std::uint64_t number :
       {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, std::numeric_limits<std::uint64_t>::max()}) {
    std::array<char, 16> room;
    WireWriter writer(room.data() + room.size(), room.size());
    writer.always(5, number);
    CHECK(writer.size() == 1 + varint_bytes(number));
    WireReader reader(writer.written());
    REQUIRE(reader.next());
    CHECK(reader.tag() == wire_tag(5, WireType::kVarint));
    CHECK(reader.varint() == number);
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.failed());
  }
  for (const std::int64_t number : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1},
                                    std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()})
    CHECK(unzigzag(zigzag(number)) == number);
}

TEST_CASE("wire: what is cut off anywhere is a failure, and nothing is read beyond the end") {
  const std::string message("\x0a\x03key\x12\x03\x08\x96\x01\x15\x01\x02\x03\x04\x19\x01\x02\x03\x04\x05\x06\x07\x08",
                            24);
  const auto read = [](std::string_view bytes) {
    WireReader reader(bytes);
    while (reader.next()) reader.skip();
    return !reader.failed();
  };
  std::string whole;  // the lengths at which a field ends
  for (std::size_t length = 0; length <= message.size(); ++length)
    if (read(message.substr(0, length))) whole += std::to_string(length) + " ";
  CHECK(whole == "0 5 10 15 24 ");
}
