// The newest unary calls that took long, for ListSlowRequests: always on, in memory that is bounded.
//
// Hard part: what is kept of a call. Requests are kept nowhere once they are parsed, and a key may have 64 KiB; so the
// key is read once more from the request's bytes, of the slow calls alone, and its first KiB is kept.
//
// Threads:  note() from the pollers, the rest from any.
// Errors:   a call for whose record there is no memory is counted and not listed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "core/clock.h"
#include "kvstore/v1/admin_service.pb.h"
#include "rpc/slow_calls.h"

namespace kv {

class SlowLog final : public SlowCalls {
 public:
  static constexpr std::size_t kCallsMax = 128;
  static constexpr std::size_t kKeyBytesMax = 1024;

  explicit SlowLog(Clock& clock) : clock_(clock) {}

  void note(const SlowCall& call) noexcept override;

  // Newest first; 0: all.
  std::vector<kvstore::v1::SlowRequest> newest(std::size_t limit) const;
  // Since the start, those included that are not kept any more.
  std::uint64_t total() const;

 private:
  Clock& clock_;
  mutable std::mutex mutex_;
  std::deque<kvstore::v1::SlowRequest> calls_;  // guarded by mutex_; newest first
  std::uint64_t total_ = 0;                     // guarded by mutex_
};

}  // namespace kv
