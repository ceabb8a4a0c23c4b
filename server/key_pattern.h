// Patterns over the bytes of keys: * any bytes, ? one byte, [abc] [a-z] [!a] one of a set, \ takes the next byte as it
// is.
//
// Hard part: a key may have 64 KiB and the pattern comes from outside, so the cost of a match must not depend on how
// the two are made. The pattern is a machine with a bit for each of its places; each byte of the key moves all bits at
// once. A match costs at most four words of work a byte of the key, whatever the pattern says.
//
// Threads:  immutable; matches() from any thread.
// Errors:   PATTERN_INVALID with the position: a set that does not end, is empty, runs backwards or holds a character
// that is
//           not ASCII (it would be several bytes), a backslash at the end, more than kPlacesMax places.
// Source:   the shift-and matcher of Baeza-Yates and Gonnet, "A new approach to text searching" (1992).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace kv {

class KeyPattern {
 public:
  static constexpr std::size_t kPlacesMax = 255;

  static absl::StatusOr<KeyPattern> compile(std::string_view glob);

  bool matches(std::string_view key) const noexcept;

 private:
  static constexpr std::size_t kWords = 4;
  using Places = std::array<std::uint64_t, kWords>;
  using Bytes = std::array<bool, 256>;
  struct Reader;

  void add(const Bytes& accepted);

  // Bit n: n places of the pattern are behind us.
  std::array<Places, 256> accepting_{};  // of a byte: from where it leads one place on
  Places looping_{};                     // a * stands here: every byte leaves us where we are
  std::size_t places_ = 0;
  std::size_t words_ = 1;
  std::string literal_;  // the bytes that a key must begin with; most keys end here
  bool only_literals_ = true;
};

}  // namespace kv
