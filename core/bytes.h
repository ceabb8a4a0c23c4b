// Little-endian, fixed-width numbers in byte buffers.
//
// ByteWriter fills a buffer of known size and asserts that it fits: the caller has counted. ByteReader reads what a
// disk or a peer sent, so it never asserts: past the end it sets failed() and returns zeros, and the caller checks
// once.
//
// Threads: none of their own. Lifetime: neither owns its bytes; views that ByteReader returns point into them.
#pragma once

#include <bit>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "core/checksum.h"

namespace kv {

static_assert(std::endian::native == std::endian::little, "formats are little-endian and stored as they lie in memory");

template <std::unsigned_integral T>
T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <std::unsigned_integral T>
void store(std::byte* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> buffer) noexcept : buffer_(buffer) {}

  template <std::unsigned_integral T>
  void number(T value) noexcept {
    assert(buffer_.size() - used_ >= sizeof value);
    store(buffer_.data() + used_, value);
    used_ += sizeof value;
  }
  void bytes(Bytes data) noexcept {
    assert(buffer_.size() - used_ >= data.size());
    if (!data.empty()) std::memcpy(buffer_.data() + used_, data.data(), data.size());
    used_ += data.size();
  }
  void text(std::string_view data) noexcept { bytes(as_bytes(data)); }
  void zeros(std::size_t count) noexcept {
    assert(buffer_.size() - used_ >= count);
    std::memset(buffer_.data() + used_, 0, count);
    used_ += count;
  }
  std::size_t used() const noexcept { return used_; }

 private:
  std::span<std::byte> buffer_;
  std::size_t used_ = 0;
};

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) noexcept : bytes_(bytes) {}

  template <std::unsigned_integral T>
  T number() noexcept {
    if (!take(sizeof(T))) return 0;
    return load<T>(bytes_.data() + used_ - sizeof(T));
  }
  Bytes bytes(std::size_t count) noexcept {
    if (!take(count)) return {};
    return bytes_.subspan(used_ - count, count);
  }
  std::string_view text(std::size_t count) noexcept { return as_text(bytes(count)); }
  void skip(std::size_t count) noexcept { take(count); }

  std::size_t used() const noexcept { return used_; }
  std::size_t left() const noexcept { return bytes_.size() - used_; }
  bool failed() const noexcept { return failed_; }

 private:
  bool take(std::size_t count) noexcept {
    if (failed_ || left() < count) {
      failed_ = true;
      return false;
    }
    used_ += count;
    return true;
  }

  Bytes bytes_;
  std::size_t used_ = 0;
  bool failed_ = false;
};

}  // namespace kv
