// The library's own stop, from the moment it takes no new call to the moment the last connection is gone.
//
// Why not grpc::Server::Shutdown alone: it closes the connections at its deadline without a word, and it does not say
// when the first half is done. Between the two there is something to be seen to (RpcServer::drain).
//
// Threads:  begins and waits on one thread, never a poller's.
// Lifetime: the server outlives it; the destructor waits for the last connection. grpc::Server::Shutdown, called later,
//           does the rest.
// Source:   grpc_server_shutdown_and_notify in grpc/grpc.h.
#pragma once

#include <chrono>

#include <grpc/grpc.h>

namespace kv {

class LibraryStop {
 public:
  // On return no call is accepted any more, and every client has been told to hang up.
  explicit LibraryStop(grpc_server& server);
  LibraryStop(const LibraryStop&) = delete;
  LibraryStop& operator=(const LibraryStop&) = delete;
  ~LibraryStop();

  // True when every connection is gone.
  bool wait_until(std::chrono::steady_clock::time_point deadline);

 private:
  bool wait(gpr_timespec deadline);

  grpc_completion_queue* const queue_;
  bool ended_ = false;
};

}  // namespace kv
