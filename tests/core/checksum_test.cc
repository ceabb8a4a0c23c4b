#include "core/checksum.h"

#include <catch2/catch.hpp>

namespace kv {

TEST_CASE("checksum: the seed changes the sum, and a digest in pieces equals the digest at once") {
  const Bytes bytes = as_bytes("a record");
  CHECK(checksum64(bytes, 1) != checksum64(bytes, 2));

  DigestStream whole, pieces;
  whole.update(bytes);
  pieces.update(bytes.first(3));
  pieces.update(bytes.subspan(3));
  CHECK(whole.value() == pieces.value());
  CHECK(to_hex(whole.value()).size() == 32);
}

TEST_CASE("checksum: a seeded sum in pieces equals the sum at once, however long the bytes are") {
  const std::string text(5000, 'x');
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{240}, std::size_t{241}, text.size()}) {
    const Bytes bytes = as_bytes(text).first(size);
    Checksum64Stream stream(42);
    stream.update(bytes.first(size / 3));
    stream.update(bytes.subspan(size / 3));
    CHECK(stream.value() == checksum64(bytes, 42));
  }
}

}  // namespace kv
