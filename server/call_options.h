// What a caller of the old service can ask for without new stubs: request metadata whose names begin with "kvstore-".
//
// Errors: FIELD_INVALID for a name that does not exist, a value it does not have, or a feature that is not built: none
//         of them is accepted and ignored. Threads: free functions. Source: docs/api/legacy.md.
#pragma once

#include <map>
#include <optional>

#include <grpcpp/support/string_ref.h>

#include "absl/status/statusor.h"
#include "persistence/settings.h"
#include "store/request.h"

namespace kv {

struct CallOptions {
  std::optional<Level> level;           // kvstore-durability
  bool want_trailers = false;           // kvstore-want-trailers
  bool want_timing = false;             // kvstore-want-timing
  std::optional<RequestId> request_id;  // kvstore-request-id-bin
};

absl::StatusOr<CallOptions> call_options_of(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

}  // namespace kv
