// Values that prove themselves: each carries its key, its writer, its writer's counter, the expiry that it was written
// with, its size and a checksum, then filler up to the size. So a value that was torn, mixed or put under another key
// is known by looking at it, and so is one whose expiry is another.
//
// Threads: free functions. Errors: read_value() answers nothing for any bytes that make_value() did not make for that
// key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kv::crash {

// Which write it was: every write of a run has an id of its own.
struct WriteId {
  std::uint32_t writer = 0;
  std::uint64_t counter = 0;
  friend bool operator==(const WriteId&, const WriteId&) = default;
};

// At least as long as `size` and as its own header and key need. `expire_at`: Unix milliseconds, 0 for never.
std::string make_value(std::string_view key, WriteId id, std::size_t size, std::int64_t expire_at = 0);
std::optional<WriteId> read_value(std::string_view key, std::string_view value);
// Of a value that read_value() takes.
std::int64_t expiry_in(std::string_view value);

}  // namespace kv::crash
