// A request with fields that this server does not know: written by a newer client, or for a feature that is not built.
// What cannot be honoured is refused, not ignored.
//
// Threads: free function. Errors: FIELD_INVALID naming the place, as in "config.16".
#pragma once

#include <google/protobuf/message.h>

#include "absl/status/status.h"

namespace kv {

absl::Status refuse_unknown_fields(const google::protobuf::Message& request);

}  // namespace kv
