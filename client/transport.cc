#include "client/transport.h"

#include <algorithm>

#include <grpc/grpc.h>

namespace kv {
namespace {

// The library shuts itself down with the last channel of the process, and then may wait 10 s for a poller of its own
// that it started for a large write (run_poller in tcp_posix.cc). So it is told that it is needed, for good.
void keep_library() { [[maybe_unused]] static const bool kept = (::grpc_init(), true); }

// Of connections whose server has not been asked yet, and the least of all: it holds what a server of default settings
// sends, so that asking seldom costs a second connection.
constexpr std::size_t kAnswerBytesAtFirst = std::size_t{16} << 20;

}  // namespace

Transport::Transport(const ClientOptions& options)
    : bound_given_(options.answer_bytes_max != 0),
      bound_opened_(bound_given_ ? options.answer_bytes_max : kAnswerBytesAtFirst),
      bound_(options.answer_bytes_max) {
  keep_library();
  const int connections = std::max(1, options.connections);
  const int threads = std::clamp(options.threads, 1, connections);
  for (int i = 0; i < threads; ++i) queues_.push_back(std::make_unique<ClientQueue>());
  for (int i = 0; i < connections; ++i) {
    endpoints_.push_back(std::make_unique<Endpoint>(options.target, *queues_[i % threads], bound_opened_));
  }
}

bool Transport::enter() noexcept {
  const std::scoped_lock lock(mutex_);
  if (closed_) return false;
  ++calls_;
  return true;
}

void Transport::leave() noexcept {
  const std::scoped_lock lock(mutex_);
  if (--calls_ == 0) empty_.notify_all();
}

void Transport::close() {
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
  }
  closing_.request_stop();
  {
    std::unique_lock lock(mutex_);
    empty_.wait(lock, [this] { return calls_ == 0; });
  }
  // The callback of the last call may still run, and ask for more: it is told no while everything is still there.
  for (const auto& queue : queues_) queue->stop();
}

bool Transport::on_own_thread() const noexcept {
  return std::any_of(queues_.begin(), queues_.end(), [](const auto& queue) { return queue->on_its_thread(); });
}

void Transport::find_bound(Completion& woken, bool& mine) {
  {
    const std::scoped_lock lock(mutex_);
    if (!bound_known() && finding_bound_) return bound_waiters_.push(woken);
    if (!bound_known()) mine = finding_bound_ = true;
  }
  woken.complete(true);
}

void Transport::bound_found(std::size_t answer_bytes_max) {
  CompletionList waiters;
  {
    const std::scoped_lock lock(mutex_);
    finding_bound_ = false;
    if (answer_bytes_max > bound_opened_) {
      bound_opened_ = answer_bytes_max;
      for (const auto& endpoint : endpoints_) endpoint->reopen(answer_bytes_max);
    }
    if (answer_bytes_max != 0) bound_.store(bound_opened_, std::memory_order_release);
    waiters = std::move(bound_waiters_);
  }
  while (Completion* waiter = waiters.pop()) waiter->complete(true);
}

void Transport::doubt_bound() noexcept {
  if (!bound_given_) bound_.store(0, std::memory_order_release);
}

}  // namespace kv
