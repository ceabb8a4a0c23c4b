// A completion queue and the one thread that runs what comes out of it: where calls of a client resume.
//
// Threads:  queue() from any; completions run on the thread of this object, one at a time.
// Lifetime: no operation may be under way at stop(), and none may begin from then on.
#pragma once

#include <thread>

#include <grpcpp/completion_queue.h>

namespace kv {

class ClientQueue {
 public:
  ClientQueue() : thread_([this] { run(); }) {}
  ~ClientQueue() { stop(); }
  ClientQueue(const ClientQueue&) = delete;
  ClientQueue& operator=(const ClientQueue&) = delete;

  // Waits for what runs on the thread. The second call does nothing.
  void stop();

  grpc::CompletionQueue* queue() noexcept { return &queue_; }
  bool on_its_thread() const noexcept { return std::this_thread::get_id() == id_; }

 private:
  void run() noexcept;

  grpc::CompletionQueue queue_;
  std::thread thread_;
  const std::thread::id id_ = thread_.get_id();
};

}  // namespace kv
