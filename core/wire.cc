#include "core/wire.h"

#include <limits>

namespace kv {
namespace {

// Fields of 2 GiB and more do not exist; the library keeps 16 bytes less.
constexpr std::uint64_t kLengthMax = std::numeric_limits<std::int32_t>::max() - 16;

}  // namespace

// Up to five bytes; what does not fit into 32 bits is dropped, as the library does.
bool WireReader::read_long_tag() noexcept {
  std::uint32_t tag = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (at_ == end_) return false;
    const auto byte = static_cast<std::uint8_t>(*at_++);
    tag |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      tag_ = tag;
      return true;
    }
  }
  return false;
}

std::uint64_t WireReader::long_varint() noexcept {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at_ == end_) break;
    const auto byte = static_cast<std::uint8_t>(*at_++);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  fail();
  return 0;
}

std::string_view WireReader::long_bytes() noexcept {
  std::uint64_t length = 0;
  for (unsigned shift = 0;; shift += 7) {
    if (shift == 35 || at_ == end_) return fail(), std::string_view();
    const auto byte = static_cast<std::uint8_t>(*at_++);
    length |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) break;
  }
  if (length > kLengthMax || length > static_cast<std::uint64_t>(end_ - at_)) return fail(), std::string_view();
  const std::string_view content(at_, length);
  at_ += length;
  return content;
}

void WireReader::skip() noexcept {
  switch (type()) {
    case WireType::kVarint:
      varint();
      return;
    case WireType::kFixed64:
      return skip_fixed(8);
    case WireType::kBytes:
      bytes();
      return;
    case WireType::kGroup:
      return skip_group();
    case WireType::kFixed32:
      return skip_fixed(4);
    case WireType::kGroupEnd:
      break;
  }
  fail();
}

void WireReader::skip_fixed(std::size_t count) noexcept {
  if (static_cast<std::size_t>(end_ - at_) < count) {
    fail();
  } else {
    at_ += count;
  }
}

void WireReader::skip_group() noexcept {
  const std::uint32_t number = field();
  if (--depth_left_ < 0) {
    fail();
    return;
  }
  while (true) {
    if (at_ == end_ || !read_long_tag() || field() == 0) {
      fail();
      return;
    }
    if (type() == WireType::kGroupEnd) break;
    skip();
    if (failed_) return;
  }
  ++depth_left_;
  if (field() != number) fail();
}

}  // namespace kv
