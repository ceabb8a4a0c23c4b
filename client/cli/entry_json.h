// An entry as a line of JSON: what `export` writes and `import` reads, and what `scan` and `mget` print.
//
//   {"key":"user:1","value":"...","expire_time":"2030-01-31T08:00:00.250Z"}
//
// `key_base64` and `value_base64` stand for bytes that are no text; `expire_time` is absent when the key does not
// expire.
//
// Threads: free functions. Errors: INVALID_ARGUMENT; the message says what is wrong with the line.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/cli/answer.h"
#include "kvstore/v1/key_value.pb.h"

namespace kv {

Json json_of(const kvstore::v1::Entry& entry, bool with_value);
// The write that makes the entry again. Names that are not known are refused: what is not understood is not lost.
absl::StatusOr<kvstore::v1::SetRequest> set_request_of(std::string_view line);

// Of what base64() makes; nothing when it is something else.
std::optional<std::string> bytes_of_base64(std::string_view text);
// The field `name`, or NAME_base64, of an object.
absl::StatusOr<std::string> bytes_field(const Json& object, const std::string& name);

}  // namespace kv
