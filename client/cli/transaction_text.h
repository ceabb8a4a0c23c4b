// The text of a transaction, as one types it, as the request it means.
//
//   if KEY = VALUE | if KEY version N | if KEY exists | if KEY absent     any number; all must hold
//   then COMMAND                                                         what is done when they do
//   else COMMAND                                                         what is done when one does not
//   COMMAND                                                              more of the part that was begun last
//
// Clauses are separated by `;` or by line ends; a `#` where a clause begins makes a comment of its line. Commands: get
// K, set K V, del K, incr K [DELTA], append K V, expire K WHEN. Words are quoted as in any line (line.h); a quoted `;`
// is itself. Without any `if` the `then` may be left out.
//
// A text that begins with `{` is JSON:
//   {"if":[{"key":"a","value":"1"},{"key":"b","exists":false},{"key":"c","version":7}],
//    "then":[{"set":{"key":"a","value":"2"}},{"incr":{"key":"n","delta":-1}},{"get":{"key":"b"}}],
//    "else":[...]}
// with `key_base64`, `value_base64` for bytes that are no text; `expire` has `expiry`, `append` has `value`.
//
// Threads: free function. Errors: INVALID_ARGUMENT; the message is the line to show, with the clause it is about.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "kvstore/v1/key_value_service.pb.h"

namespace kv {

absl::StatusOr<kvstore::v1::TransactRequest> parse_transaction(std::string_view text);

}  // namespace kv
