// One operation on one key, as the engine takes it, wherever it came from: a call of its own, a transaction, a message
// of a pipeline. And what came of it.
//
// Threads:  plain data. Lifetime: key, value and the precondition's value are views of the request; an Outcome's views
//           are good only while the shard is locked in which it was made (OutcomeSink::take).
// Units:    times in milliseconds; ttl and at are rounded up, so that nothing expires early.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "persistence/settings.h"
#include "store/request.h"
#include "store/store.h"

namespace kv {

// Numbers are those of kvstore.v1.Operation and OperationResult.
enum class OperationKind : std::uint8_t {
  kNone = 0,
  kGet = 1,
  kSet = 2,
  kDelete = 3,
  kIncrement = 4,
  kAppend = 5,
  kSetExpiry = 6,
};

struct Precondition {
  enum class Test : std::uint8_t { kNone, kExists, kVersion, kValue, kType };
  Test test = Test::kNone;
  bool exists = false;
  ValueType type = ValueType::kString;
  Revision version = 0;  // 0: the key must not exist
  std::string_view value;
};

struct ExpiryPolicy {
  // kUnset is what a request says that says nothing: a Set takes an expiry off the key, all others leave it.
  enum class Kind : std::uint8_t { kUnset, kTtl, kAt, kNever, kKeep };
  Kind kind = Kind::kUnset;
  std::int64_t millis = 0;  // of kTtl a duration, of kAt the time
};

// Of Increment.
struct CounterStep {
  std::int64_t delta = 0;
  std::int64_t initial = 0;  // what a missing key counts from
  std::optional<std::int64_t> min;
  std::optional<std::int64_t> max;
  bool saturate = false;
};

// What is asked of a write beside its change.
struct WriteOptions {
  std::optional<Level> level = {};  // empty: what mode and policy give
  std::optional<RequestId> request_id = {};
};

struct Operation {
  OperationKind kind = OperationKind::kNone;
  bool omit_value = false;       // Get
  bool return_previous = false;  // Set, Delete
  std::string_view key;
  std::string_view value;  // Set; of Append the suffix
  Precondition precondition;
  ExpiryPolicy expiry;
  Revision if_newer_than = 0;  // Get
  Revision min_revision = 0;   // Get
  CounterStep step;
  WriteOptions options;

  bool writes() const noexcept { return kind != OperationKind::kGet; }
};

// What an answer shows of an entry. Versions that are the change's own are known when it has its number: take() sees
// them.
struct EntryShown {
  bool there = false;
  bool with_value = false;
  ValueType type = ValueType::kString;
  std::string_view value;
  Revision version = 0;
  Revision create_version = 0;
  UnixMillis expire_at = kNoExpiry;
  std::size_t size_bytes = 0;
};

struct Outcome {
  OperationKind kind = OperationKind::kNone;
  absl::Status error;            // then nothing else counts
  bool applied = false;          // Set, SetExpiry: the precondition held; Delete: the key was there and is gone
  bool created = false;          // the key was not there before
  bool not_modified = false;     // Get
  EntryShown entry;              // Get: the entry; Set, Delete: the one before; SetExpiry: the one after
  std::int64_t counter = 0;      // Increment
  std::uint64_t length = 0;      // Append
  bool replayed = false;         // the answer of an earlier write with the same request id
  Revision revision = 0;         // of the change; of a Get at which it was read; 0: nothing changed
  Revision logged = 0;           // of the record that remembers the request id, whether or not anything changed
  Revision shown = 0;            // the newest change of others that the answer lets anybody see
  Level level = Level::kMemory;  // that a write is answered at
};

// Takes what an operation answers while its shard is locked.
class OutcomeSink {
 public:
  // Room for the answer: all that can fail (std::bad_alloc), before anything is changed. An error refuses the
  // operation. Revisions are not known yet.
  virtual absl::Status reserve(const Outcome& outcome) = 0;
  // Once for each reserve(), unless the operation failed meanwhile.
  virtual void take(const Outcome& outcome) noexcept = 0;

 protected:
  ~OutcomeSink() = default;
};

}  // namespace kv
