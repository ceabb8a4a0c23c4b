// A write that carried a request id, as far as it is remembered: what the log's record keeps of it, and what a retry
// with the same id is answered from.
//
// Threads: values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "store/types.h"

namespace kv {

using RequestId = std::array<std::byte, 16>;

// The part that stands in the log. Numbers are part of the format.
struct RequestBlock {
  RequestId id{};
  std::uint64_t request_hash = 0;  // tells a retry from another request under the same id
  bool applied = false;            // it changed something
  bool created = false;            // what it changed was not there before
  std::uint64_t added = 0;
  std::int64_t value = 0;
  friend bool operator==(const RequestBlock&, const RequestBlock&) = default;
};

struct RememberedRequest {
  RequestBlock block;
  // Of the log record that holds the block, whether or not it changed anything. A snapshot keeps that number only of
  // those that did; one of the others then has the snapshot's cut, which is no lower.
  Revision revision = 0;
  UnixMillis time = 0;
  friend bool operator==(const RememberedRequest&, const RememberedRequest&) = default;
};

}  // namespace kv
