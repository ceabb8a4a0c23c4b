#include "client/client_queue.h"

#include "core/poll_loop.h"

namespace kv {

void ClientQueue::stop() {
  if (!thread_.joinable()) return;
  queue_.Shutdown();
  thread_.join();
}

void ClientQueue::run() noexcept { PollLoop::run(queue_); }

}  // namespace kv
