// Where unary calls go that took long.
//
// Hard part: every call asks. So what it asks is one load, and everything else happens for the slow ones alone.
//
// Threads:  slow() and note() from the pollers, set_threshold() from any.
// Lifetime: outlives the reactors; a SlowCall lives as long as note() runs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <grpcpp/support/byte_buffer.h>

namespace kv {

struct SlowCall {
  std::string_view method;  // "package.Service/Method"
  int code;                 // of the answer
  std::string peer;
  const grpc::ByteBuffer& request;
  std::size_t response_bytes;
  std::chrono::nanoseconds took;    // until its answer was handed over; what follows are parts of it
  std::chrono::nanoseconds queued;  // CallStage::kQueue
  std::chrono::nanoseconds persisting;
};

class SlowCalls {
 public:
  bool slow(std::chrono::nanoseconds took) const noexcept {
    return took.count() >= threshold_.load(std::memory_order_relaxed);
  }
  void set_threshold(std::chrono::nanoseconds threshold) noexcept {
    threshold_.store(threshold.count(), std::memory_order_relaxed);
  }
  virtual void note(const SlowCall& call) noexcept = 0;

 protected:
  ~SlowCalls() = default;

 private:
  std::atomic<std::int64_t> threshold_{std::chrono::nanoseconds(std::chrono::milliseconds(10)).count()};
};

}  // namespace kv
