// The id of a write that may be sent again, and what tells a retry from another write under the same id; what is kept
// of an answer, and the answer made of it again.
//
// Hard part: the hash is of what the write does, not of its bytes, so that a retry from another client library, or
// through the other service, is the same write; and it stands in files, so it never changes
// (tests/server/exactly_once_test.cc). What only shapes the answer (a level, the previous entry) is not part of it.
//
// Threads: free functions. Source: docs/api/v1.md, "Retries"; docs/formats/aof.md, "Request block".
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "server/operation.h"
#include "store/key_range.h"
#include "store/request.h"

namespace kv {

struct TransactionRequest;

struct RequestKey {
  RequestId id{};
  std::uint64_t hash = 0;
};

// Nothing when the write carries no id. `key` and `value` are the operation's own, hashed.
std::optional<RequestKey> request_key(const Operation& operation, const HashedKey& key,
                                      const HashedValue& value) noexcept;
std::optional<RequestKey> request_key(const TransactionRequest& request) noexcept;
// Of a DeleteRange.
RequestKey request_key(const KeyRange& range, const RequestId& id) noexcept;

// What is remembered of a write whose outcome is known, but for its revision. An error that was judged from what was
// found (NOT_AN_INTEGER) is remembered like any answer: it says that the write was not applied and never will be.
RequestBlock block_of(const RequestKey& key, const Outcome& outcome) noexcept;

// The first outcome again: REQUEST_ID_REUSED when it is another write's. `level` is that of the retry.
Outcome replay(const RememberedRequest& first, const RequestKey& key, OperationKind kind, Level level);

// A refusal by what was found, as a number for files; 0 for any other error. And back.
std::uint64_t refusal_number(const absl::Status& refused) noexcept;
[[gnu::cold]] absl::Status refusal_of(std::uint64_t number);
[[gnu::cold]] absl::Status reused();

}  // namespace kv
