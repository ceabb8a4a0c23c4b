#include "client/client_queue.h"

#include "core/completion.h"

namespace kv {

void ClientQueue::stop() {
  if (!thread_.joinable()) return;
  queue_.Shutdown();
  thread_.join();
}

void ClientQueue::run() noexcept {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) static_cast<Completion*>(tag)->complete(ok);
}

}  // namespace kv
