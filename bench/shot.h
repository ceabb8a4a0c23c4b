// What is sent at once and answered at once: one operation of a unary call, or several in a message.
//
// Threads: handed from the thread that sends to the one that is answered; one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "bench/load_value.h"
#include "bench/workload.h"

namespace kv {

using LoadClock = std::chrono::steady_clock;

// Of one operation.
struct LoadAnswer {
  absl::Status status;
  bool missing = false;        // a read of a key that is not there
  std::uint64_t revision = 0;  // of a write: its own; of a read: that of the entry; 0 where the API does not tell
  std::uint64_t bytes = 0;     // of values, either way
  std::optional<VerifiedValue> value;  // what a verified read found
};

struct Shot {
  std::vector<LoadOperation> operations;
  std::vector<std::uint64_t> floors;  // with verification: below these revisions no answer may be
  std::vector<LoadAnswer> answers;
  LoadClock::time_point intended;
  LoadClock::time_point sent;

  // The same answer for all of it.
  void fail(const absl::Status& status) {
    answers.assign(operations.size(), LoadAnswer{});
    for (LoadAnswer& answer : answers) answer.status = status;
  }
};

// Who sent it.
class ShotSink {
 public:
  // Once for each, on a thread of the caller's queue. Short.
  virtual void answered(std::unique_ptr<Shot> shot) = 0;

 protected:
  ~ShotSink() = default;
};

}  // namespace kv
