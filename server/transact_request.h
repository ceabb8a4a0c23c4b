// A TransactRequest: read from its bytes and judged, before anything of it is carried out.
//
// Hard part: what stands in the bytes is judged one by one, but not before all were read: bytes that do not parse are
// that, whatever else is wrong with them.
//
// Threads:  free functions. Lifetime: the request views the bytes.
// Errors:   FIELD_INVALID, TOO_MANY_OPERATIONS, DURABILITY_UNAVAILABLE, and those of request_check.h; the facts name
//           the place ("then[3].set.key") and, of an operation, its index.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "server/limits.h"
#include "server/transaction.h"

namespace kv {

// False: these bytes are no TransactRequest (MESSAGE_INVALID). Else `judged` is the first thing that is wrong with what
// was read.
bool read_transaction(std::string_view bytes, TransactionRequest& request, absl::Status& judged);

// What was read and judged good, held against the limits; operations by `check`, which may know more.
absl::Status check_transaction(const Limits& limits, const TransactionRequest& request,
                               const std::function<absl::Status(const Operation&)>& check);

// What is wrong with one operation of a branch, `list` being its field: with the place and the index in the facts.
[[gnu::cold]] absl::Status of_operation(const absl::Status& failed, std::string_view list, std::size_t index,
                                        OperationKind kind);

}  // namespace kv
