// Sockets that listen on an address as people write it: HOST:PORT, [IPV6]:PORT, unix:PATH.
//
// A name listens on every address it resolves to. 0.0.0.0 and [::] mean every address of the machine, of both families,
// through one socket where the kernel has both. Port 0 is any free one, the same for all addresses of a name.
//
// Hard part: two servers must never share an address unnoticed. SO_REUSEPORT stays off, and the path of a unix socket,
// which the kernel would let us take over, is tried first: only one that nobody answers on is removed.
//
// Threads:  free functions, from any; a socket as an int.
// Lifetime: closed, and a unix path removed, by the destructor.
// Errors:   UNAVAILABLE naming the address and what the system said.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/descriptor.h"

namespace kv {

class ListeningSocket {
 public:
  explicit ListeningSocket(Descriptor descriptor, std::string path = {})
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}
  ListeningSocket(ListeningSocket&&) noexcept = default;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  int get() const noexcept { return descriptor_.get(); }  // does not block

 private:
  Descriptor descriptor_;
  std::string path_;  // of a unix socket
};

struct Listening {
  std::vector<ListeningSocket> sockets;
  std::string address;  // as it was given, with the port that was really bound
};

absl::StatusOr<Listening> listen_on(const std::string& address);

}  // namespace kv
