// What a client has compressed, unpacked by us and within the bound.
#include "rpc/unpacked_message.h"

#include <cstdint>
#include <string>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/support/packed_message.h"

namespace kv {
namespace {

constexpr std::size_t kMost = 100'000;

std::string bytes_of(grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  REQUIRE(buffer.DumpToSingleSlice(&slice).ok());
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

// Bytes that packing makes hardly smaller.
std::string mixed(std::size_t size) {
  std::string bytes;
  for (std::uint32_t state = 1; bytes.size() < size; state = state * 1664525 + 1013904223)
    bytes += static_cast<char>(state >> 24);
  return bytes;
}

void check_broken(std::string bytes, grpc_compression_algorithm algorithm) {
  grpc::ByteBuffer buffer = packed_buffer(bytes, algorithm);
  const absl::Status refused = unpack(buffer, kMost);
  CHECK(has_reason(refused, Reason::kMessageInvalid));
  CHECK(bytes_of(buffer) == bytes);
}

TEST_CASE(
    "unpacked: up to the bound the message is there, in one slice; one byte more is refused as the library does") {
  const auto algorithm = GENERATE(GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE);
  const std::string text = GENERATE(std::string(kMost, 'a'), mixed(kMost));
  grpc::ByteBuffer fits = packed_buffer(packed(text, algorithm), algorithm);
  REQUIRE(unpack(fits, kMost).ok());
  grpc::Slice whole;
  REQUIRE(fits.TrySingleSlice(&whole).ok());
  CHECK(fits.Length() == kMost);
  CHECK(bytes_of(fits) == text);

  const std::string larger = packed(text + "a", algorithm);
  grpc::ByteBuffer exceeds = packed_buffer(larger, algorithm);
  const absl::Status refused = unpack(exceeds, kMost);
  CHECK(refused.code() == absl::StatusCode::kResourceExhausted);
  CHECK(reason_of(refused).empty());
  CHECK(refused.message() == "Received message larger than max (unpacked: more than 100000 vs. 100000)");
  CHECK(exceeds.Length() == larger.size());
}

TEST_CASE("unpacked: however the message lies in slices, it is the same") {
  const auto algorithm = GENERATE(GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE);
  const std::size_t slice_bytes = GENERATE(1, 3, 1000, 1'000'000);
  const std::string text = mixed(20'000) + std::string(20'000, 'z');
  grpc::ByteBuffer buffer = packed_buffer(packed(text, algorithm), algorithm, slice_bytes);
  REQUIRE(unpack(buffer, kMost).ok());
  CHECK(bytes_of(buffer) == text);
}

TEST_CASE("unpacked: what is not packed, is empty, or is no message yet, stays as it is") {
  grpc::ByteBuffer plain = packed_buffer(packed("text", GRPC_COMPRESS_GZIP), GRPC_COMPRESS_NONE);
  CHECK(unpack(plain, 1).ok());
  CHECK(bytes_of(plain) == packed("text", GRPC_COMPRESS_GZIP));
  grpc::ByteBuffer empty = packed_buffer("", GRPC_COMPRESS_GZIP);
  CHECK(unpack(empty, kMost).ok());
  CHECK(empty.Length() == 0);
  grpc::ByteBuffer none;
  CHECK(unpack(none, kMost).ok());
  const auto algorithm = GENERATE(GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE);
  grpc::ByteBuffer of_nothing = packed_buffer(packed("", algorithm), algorithm);
  CHECK(unpack(of_nothing, kMost).ok());
  CHECK(of_nothing.Length() == 0);
}

TEST_CASE("unpacked: a stream that is broken, ends early, or is followed by anything is refused as MESSAGE_INVALID") {
  const auto algorithm = GENERATE(GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE);
  const std::string good = packed(mixed(1000), algorithm);
  std::string broken = good;
  broken[good.size() / 2] = static_cast<char>(broken[good.size() / 2] ^ 0x55);
  check_broken(broken, algorithm);
  check_broken("no such thing", algorithm);
  for (const std::size_t left : {std::size_t{1}, std::size_t{12}, good.size() / 2, good.size() - 1}) {
    INFO(left << " bytes are left");
    check_broken(good.substr(0, left), algorithm);
  }
  check_broken(good + "x", algorithm);
  check_broken(good + good, algorithm);
  check_broken(good, algorithm == GRPC_COMPRESS_GZIP ? GRPC_COMPRESS_DEFLATE : GRPC_COMPRESS_GZIP);
}

TEST_CASE("unpacked: a size that gzip claims and does not keep is refused, whichever way it is wrong") {
  for (const std::size_t size : {std::size_t{1000}, 10 * kMost}) {
    for (const char claimed : {char{0}, char{1}}) {
      INFO(size << " bytes, whose claim's first byte is " << int{claimed});
      std::string lie = packed(std::string(size, 'a'), GRPC_COMPRESS_GZIP);
      lie.replace(lie.size() - 4, 4, std::string(1, claimed) + std::string(3, '\0'));
      grpc::ByteBuffer buffer = packed_buffer(lie, GRPC_COMPRESS_GZIP);
      const absl::Status refused = unpack(buffer, kMost);
      CHECK(refused.code() ==
            (size > kMost ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInvalidArgument));
    }
  }
}

// Each of its blocks is right, and holds nothing: what there is to do is bounded by what comes out.
TEST_CASE("unpacked: a message of more blocks without content than any packer makes is broken") {
  const auto of_empty_blocks = [](int blocks) {
    std::string bytes("\x78\x9c", 2);
    for (int i = 0; i < blocks; ++i) bytes.append("\x00\x00\x00\xff\xff", 5);
    return bytes.append("\x01\x00\x00\xff\xff\x00\x00\x00\x01", 9);
  };
  grpc::ByteBuffer few = packed_buffer(of_empty_blocks(1000), GRPC_COMPRESS_DEFLATE);
  CHECK(unpack(few, kMost).ok());
  CHECK(few.Length() == 0);
  check_broken(of_empty_blocks(20'000), GRPC_COMPRESS_DEFLATE);
}

}  // namespace
}  // namespace kv
