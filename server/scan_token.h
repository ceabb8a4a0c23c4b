// Where a scan goes on: what a client holds between two calls of Scan.
//
// Hard part: it comes back from outside, perhaps cut, perhaps to another server, perhaps with another request. A place
// in another store, or between other keys, would skip some silently; so a token says whose it is and of which range,
// and what does not fit is refused. It holds a place in an order that never changes (store/walk.h) and no state of the
// server: a restart does not void it. It is no secret and proves nothing.
//
//   1 version   8 store   8 request   8 order   8 tie   8 checksum of all before
//
// Threads: free functions. Errors: TOKEN_INVALID.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "store/walk.h"

namespace kv {

// What a token is good for.
struct ScanIdentity {
  std::uint64_t store = 0;    // hash of the store's id
  std::uint64_t request = 0;  // hash of range, glob and type
};

std::string write_scan_token(const ScanIdentity& identity, WalkPlace place);
absl::StatusOr<WalkPlace> read_scan_token(const ScanIdentity& identity, std::string_view token);

}  // namespace kv
