#include "core/bytes.h"

#include <array>
#include <string>

#include <catch2/catch.hpp>

namespace kv {

TEST_CASE("bytes: what is written is read back, lowest byte first") {
  std::array<std::byte, 32> buffer;
  ByteWriter writer(buffer);
  writer.number(std::uint8_t{0xAB});
  writer.number(std::uint32_t{0x01020304});
  writer.text("key");
  writer.zeros(2);
  writer.bytes({});
  writer.number(std::uint64_t{0x1122334455667788});
  CHECK(writer.used() == 18);
  CHECK(std::to_integer<int>(buffer[1]) == 4);
  CHECK(std::to_integer<int>(buffer[4]) == 1);

  ByteReader reader(Bytes(buffer).first(writer.used()));
  CHECK(reader.number<std::uint8_t>() == 0xAB);
  CHECK(reader.number<std::uint32_t>() == 0x01020304);
  CHECK(reader.text(3) == "key");
  reader.skip(2);
  CHECK(reader.number<std::uint64_t>() == 0x1122334455667788);
  CHECK(reader.left() == 0);
  CHECK_FALSE(reader.failed());
}

TEST_CASE("bytes: reading past the end fails for good, gives zeros, and takes nothing") {
  ByteReader reader(as_bytes("abc"));
  CHECK(reader.number<std::uint32_t>() == 0);
  CHECK(reader.failed());
  CHECK(reader.used() == 0);
  CHECK(reader.text(1).empty());
  CHECK(reader.bytes(0).empty());
  CHECK(reader.left() == 3);
}

TEST_CASE("bytes: a length that nobody could mean is refused, not added up") {
  ByteReader reader(as_bytes("abc"));
  reader.skip(1);
  CHECK(reader.bytes(SIZE_MAX).empty());
  CHECK(reader.failed());
}

}  // namespace kv
