#include "rpc/library_stop.h"

#include <grpc/support/time.h>

namespace kv {

LibraryStop::LibraryStop(grpc_server& server) : queue_(grpc_completion_queue_create_for_next(nullptr)) {
  grpc_server_shutdown_and_notify(&server, queue_, this);
}

LibraryStop::~LibraryStop() {
  wait(gpr_inf_future(GPR_CLOCK_MONOTONIC));
  grpc_completion_queue_shutdown(queue_);
  while (grpc_completion_queue_next(queue_, gpr_inf_future(GPR_CLOCK_MONOTONIC), nullptr).type != GRPC_QUEUE_SHUTDOWN) {
  }
  grpc_completion_queue_destroy(queue_);
}

bool LibraryStop::wait_until(std::chrono::steady_clock::time_point deadline) {
  const std::chrono::nanoseconds left = deadline - std::chrono::steady_clock::now();
  return wait(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left.count(), GPR_TIMESPAN)));
}

bool LibraryStop::wait(gpr_timespec deadline) {
  if (!ended_) ended_ = grpc_completion_queue_next(queue_, deadline, nullptr).type == GRPC_OP_COMPLETE;
  return ended_;
}

}  // namespace kv
