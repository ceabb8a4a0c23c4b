// Bytes that come in: the value of `set K -` and `set K @FILE`, and the lines of piped input.
//
// Threads: one. Errors: INVALID_ARGUMENT or the system's words when a file cannot be read, RESOURCE_EXHAUSTED above the
// bound, CANCELLED with INTERRUPTED when a signal came first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/checksum.h"

namespace kv {

// No server takes more in one value; it bounds what a mistaken file can do to us.
inline constexpr std::size_t kInputBytesMax = std::size_t{256} << 20;

// "-": standard input to its end; "@FILE": the file; anything else: the word itself.
absl::StatusOr<std::string> value_of_word(std::string_view word);

// Lines of a descriptor, without their ends (\n, and a \r before it). The last line needs no end.
class LineReader {
 public:
  // `before`: the checksum of what lies before the first line, for whom that counts.
  explicit LineReader(int descriptor, const Checksum64Stream& before = Checksum64Stream(0))
      : descriptor_(descriptor), checksum_(before) {}

  // Absent: the end of input.
  absl::StatusOr<std::optional<std::string>> next();
  std::size_t line_number() const { return line_number_; }
  // Of the bytes behind the last line that was given.
  std::uint64_t offset() const { return offset_; }
  // Of all bytes before them.
  std::uint64_t checksum() const { return checksum_.value(); }

 private:
  std::optional<std::string> cut_line();

  const int descriptor_;
  std::string buffer_;
  std::size_t begin_ = 0;     // Of what is not handed out yet.
  std::size_t searched_ = 0;  // No line end before here.
  std::size_t line_number_ = 0;
  std::uint64_t offset_ = 0;
  Checksum64Stream checksum_;
  bool ended_ = false;
};

}  // namespace kv
