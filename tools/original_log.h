// Reads the Go project's text logs: lines "SET key value" and "DEL key", written without any escape.
//
// Hard part: that form loses what it is made of. A blank in a key looks like the one before the value; a newline in a
// value ends the line, and its rest looks like another one; a line that was cut short looks like a shorter value. So
// each line is either certain, when it can be read in one way alone, or doubtful, with the reason. What no reader can
// see: a value whose lines all look like commands.
//
// Threads: one. Lifetime: a line is good until the next call. Bounds: no line above kLineBytesMax is held.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/file_view.h"

namespace kv::tools {

inline constexpr std::uint64_t kLineBytesMax = 16 << 20;
// What a server can be told to take at most; more could not be kept.
inline constexpr std::uint64_t kImportKeyBytesMax = 1 << 20;
inline constexpr std::uint64_t kImportEntryBytesMax = 8 << 20;

struct OriginalLine {
  std::uint64_t number = 0;  // 1 is the first
  std::uint64_t offset = 0;
  std::string text;  // as it stands, its continuation included
  enum class Kind { kSet, kDelete, kNone } kind = Kind::kNone;
  // The one reading, or the likely one.
  std::string key, value;
  std::string doubt;   // empty: certain
  bool usable = true;  // false: no reading could be stored at all
};

class OriginalLog {
 public:
  explicit OriginalLog(FileView& file) : file_(file) {}
  // Nothing at the end of the file.
  absl::StatusOr<std::optional<OriginalLine>> next();

 private:
  struct Raw {
    std::uint64_t number = 0, offset = 0;
    std::string text;
    bool ended = false;     // by a newline
    bool too_long = false;  // text is its beginning
  };
  absl::StatusOr<std::optional<Raw>> read_raw();

  FileView& file_;
  std::uint64_t position_ = 0;
  std::uint64_t lines_ = 0;
  std::optional<Raw> ahead_;
};

// Why an entry cannot be stored; empty when it can.
std::string_view not_storable(std::string_view key, std::string_view value);

}  // namespace kv::tools
