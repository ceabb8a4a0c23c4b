// Clients that begin messages and do not end them: connections of bare HTTP/2, each with calls whose only message stops
// short of its end. What they may not send for want of window they do not send.
//
// Threads: one. Lifetime: the destructor closes the connections. Errors: std::runtime_error.
// Source:  RFC 9113 (frames, 5.2 flow control), RFC 7541 section 6.2.2 (literal fields), gRPC's HTTP/2 protocol page.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kv {

class HalfMessages {
 public:
  struct Plan {
    std::string address;  // 127.0.0.1:PORT
    std::string path;     // of the method
    int connections = 1;
    int streams = 1;                // of each connection
    std::size_t bytes = 1'000'000;  // of each message that are sent; a thousand more are announced
    bool again = false;             // a call that was cut off is followed by another
  };

  explicit HalfMessages(const Plan& plan);
  HalfMessages(const HalfMessages&) = delete;
  HalfMessages& operator=(const HalfMessages&) = delete;
  ~HalfMessages();

  // Sends and receives for a moment: what is possible now, or what comes within 10 ms.
  void step();
  // Every message was sent as far as it goes, or cut off.
  bool all_sent() const;
  // Of messages that were sent and not cut off: what the server has, or the kernel on the way to it.
  std::size_t bytes_held() const;
  std::uint64_t streams_cut_off() const;
  std::uint64_t connections_closed() const;

 private:
  class Connection;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace kv
