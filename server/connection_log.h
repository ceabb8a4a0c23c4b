// Says in the log that connections are being refused, and why: once for all that came since it last said so.
// Threads: look() from one at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "rpc/server.h"

namespace kv {

class ConnectionLog {
 public:
  explicit ConnectionLog(std::size_t connections_max) : connections_max_(connections_max) {}

  // From time to time.
  void look(const AcceptorFigures& figures, std::chrono::steady_clock::time_point now);

 private:
  const std::size_t connections_max_;
  std::uint64_t told_at_bound_ = 0;
  std::uint64_t told_without_descriptor_ = 0;
  std::chrono::steady_clock::time_point quiet_until_{};
};

}  // namespace kv
