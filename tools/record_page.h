// One record of the log as docs/formats/aof.md lays it out, decoded for the tools.
//
// Threads: free functions. Lifetime: keys and values are views into the bytes decoded.
// Errors:  nothing is trusted; what does not decode is false.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/checksum.h"
#include "store/types.h"

namespace kv::tools {

struct RequestFacts {
  std::array<std::byte, 16> id{};
  std::uint64_t hash = 0;
  std::uint64_t flags = 0;
  std::uint64_t added = 0;
  std::int64_t value = 0;
};

struct RecordFacts {
  std::uint64_t offset = 0;  // of its header, in the file
  std::uint32_t bytes = 0;
  Revision revision = 0;
  UnixMillis clock = 0;  // of its batch
  std::vector<Mutation> mutations;
  std::optional<RequestFacts> request;
};

// The fields of a record header that say where it ends; nothing when they are out of bounds.
std::optional<std::uint32_t> record_length(Bytes header) noexcept;
// A whole record, its header included. The caller has proved the checksum, or wants to know what could be there.
bool decode_record(Bytes record, RecordFacts& facts);

}  // namespace kv::tools
