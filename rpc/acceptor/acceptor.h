// Listens, and accepts connections for somebody else, up to a bound.
//
// Why not the library's own listener: when descriptors run out it stops listening, for good and without a word (gRPC
// 1.51, tcp_server_posix.cc: every error of accept() but two ends the listener). And it knows no bound.
//
// A connection beyond the bound is closed at once. When there is no descriptor for it, one that is kept spare is given
// up to accept and close it, so that nobody waits in the kernel's queue for an answer that does not come; when even
// that fails, accepting pauses for a tenth of a second.
//
// Threads:  listen(), start() and stop() from one thread; figures() from any. `take` is called on a thread of the
//           acceptor's own, one call at a time.
// Lifetime: the destructor stops. After stop() `take` is not called, nor is it running.
// Errors:   UNAVAILABLE naming the address that cannot be listened on; none is listened on then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace kv {

struct AcceptorFigures {
  std::size_t open = 0;  // connections
  std::uint64_t accepted = 0;
  std::uint64_t refused_at_bound = 0;
  std::uint64_t refused_without_descriptor = 0;
};

class Acceptor {
 public:
  // Owns the descriptor of a connection, which does not block, from here on.
  using Take = std::function<void(int descriptor)>;

  explicit Acceptor(std::size_t connections_max);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // From its return on the kernel lets clients connect; they wait for start().
  absl::Status listen(const std::vector<std::string>& addresses);
  // As they were given, with the ports that were really bound.
  const std::vector<std::string>& addresses() const noexcept;
  void start(Take take);
  // Nobody can connect any more; those that were not accepted yet are cut off. The second call does nothing.
  void stop() noexcept;

  AcceptorFigures figures() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace kv
