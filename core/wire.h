// Protobuf's wire format by hand, for messages that are read and written so often that an object for each would cost
// more than the work itself.
//
// Hard part: the reader must give the same verdict on any bytes as protobuf's own parser, because a message has one
// meaning wherever it stands: numbers that are written longer than they need be, groups, lengths beyond the end, depth.
// The writer fills its room from the back to the front: a nested message's length is known when its content is written.
//
// Threads:  none of their own. Lifetime: views point into the bytes that were given.
// Errors:   past the first bad place next() gives false and failed() says so; nothing is read beyond the end.
// Source:   the protocol buffers encoding page; tests/server/operation_decoder_test.cc compares with the library.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace kv {

enum class WireType : std::uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kGroup = 3,
  kGroupEnd = 4,
  kFixed32 = 5,
};

// What stands before a field: number and type in one.
constexpr std::uint32_t wire_tag(std::uint32_t field, WireType type) noexcept {
  return field << 3 | static_cast<std::uint32_t>(type);
}

constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

class WireReader {
 public:
  explicit WireReader(std::string_view message) noexcept : WireReader(message, kDepthMax) {}

  // Goes to the next field, whose content must then be read or skipped. False at the end, and when failed().
  bool next() noexcept {
    if (at_ == end_) return false;
    const auto first = static_cast<std::uint8_t>(*at_);
    if (first < 0x80) {
      ++at_;
      tag_ = first;
    } else if (!read_long_tag()) {
      return fail();
    }
    // An end of a group that nobody began is no field, and neither is number 0.
    return (field() != 0 && type() != WireType::kGroupEnd) || fail();
  }
  std::uint32_t tag() const noexcept { return tag_; }
  std::uint32_t field() const noexcept { return tag_ >> 3; }

  std::uint64_t varint() noexcept {
    if (at_ != end_ && static_cast<std::uint8_t>(*at_) < 0x80) return static_cast<std::uint8_t>(*at_++);
    return long_varint();
  }
  bool boolean() noexcept { return varint() != 0; }
  std::int64_t zigzag_number() noexcept { return unzigzag(varint()); }
  // An int32 or an enum: the lower half of what is there, as the library takes it.
  std::int32_t int32() noexcept { return static_cast<std::int32_t>(static_cast<std::uint32_t>(varint())); }
  std::string_view bytes() noexcept {
    const auto left = static_cast<std::size_t>(end_ - at_);
    const std::size_t length = left == 0 ? 0x80 : static_cast<std::uint8_t>(*at_);
    if (length >= 0x80 || length >= left) return long_bytes();
    const std::string_view content(at_ + 1, length);
    at_ += 1 + length;
    return content;
  }
  // A reader of the message that is this field's content. It fails at once where messages are nested too deeply; ask
  // it for failed() in the end.
  WireReader message() noexcept {
    WireReader inner(bytes(), depth_left_ - 1);
    if (failed_ || inner.depth_left_ < 0) inner.fail();
    return inner;
  }
  // Passes over the content of a field of any type.
  void skip() noexcept;

  bool failed() const noexcept { return failed_; }
  bool fail() noexcept {
    failed_ = true;
    at_ = end_;
    return false;
  }

 private:
  static constexpr int kDepthMax = 100;  // the library's own bound, of messages and groups together

  WireReader(std::string_view message, int depth_left) noexcept
      : at_(message.data()), end_(message.data() + message.size()), depth_left_(depth_left) {}

  WireType type() const noexcept { return static_cast<WireType>(tag_ & 7); }
  bool read_long_tag() noexcept;
  std::uint64_t long_varint() noexcept;
  std::string_view long_bytes() noexcept;  // and what is cut off
  void skip_fixed(std::size_t count) noexcept;
  void skip_group() noexcept;

  const char* at_;
  const char* end_;
  std::uint32_t tag_ = 0;
  int depth_left_;
  bool failed_ = false;
};

// Seven bits a byte, at least one: 9/64 is a seventh, and closer to it than the next byte for all of 64 bits.
constexpr std::size_t varint_bytes(std::uint64_t value) noexcept {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) * 9 + 64) / 64;
}
inline constexpr std::size_t kVarintBytesMax = 10;

// Each call puts its field before everything that was written so far; the caller has counted the room.
class WireWriter {
 public:
  // `end` is where the room ends, `room` how much there is.
  WireWriter(char* end, [[maybe_unused]] std::size_t room) noexcept : begin_(end - room), at_(end), end_(end) {}

  std::string_view written() const noexcept { return {at_, size()}; }
  std::size_t size() const noexcept { return static_cast<std::size_t>(end_ - at_); }

  // Fields. Those of numbers write nothing for zero, as proto3 does.
  void number(std::uint32_t field, std::uint64_t value) noexcept {
    if (value != 0) always(field, value);
  }
  void always(std::uint32_t field, std::uint64_t value) noexcept {
    varint(value);
    varint(wire_tag(field, WireType::kVarint));
  }
  void boolean(std::uint32_t field, bool value) noexcept { number(field, value ? 1 : 0); }
  void text(std::uint32_t field, std::string_view value) noexcept {
    raw(value);
    varint(value.size());
    varint(wire_tag(field, WireType::kBytes));
  }
  // Fields that are written already, or the content of one.
  void raw(std::string_view value) noexcept {
    assert(static_cast<std::size_t>(at_ - begin_) >= value.size());
    at_ -= value.size();
    if (!value.empty()) std::memcpy(at_, value.data(), value.size());
  }
  // Makes everything that was written since size() was `mark` the content of a field.
  void enclose(std::uint32_t field, std::size_t mark) noexcept {
    varint(size() - mark);
    varint(wire_tag(field, WireType::kBytes));
  }

 private:
  void varint(std::uint64_t value) noexcept {
    std::size_t count = varint_bytes(value);
    assert(static_cast<std::size_t>(at_ - begin_) >= count);
    at_ -= count;
    char* to = at_;
    for (; value >= 0x80; value >>= 7) *to++ = static_cast<char>(value | 0x80);
    *to = static_cast<char>(value);
  }

  [[maybe_unused]] char* begin_;
  char* at_;
  char* end_;
};

}  // namespace kv
