// A connection between a client and a server that is cut at the worst moment: the request has gone in, the server has
// done it and answers, and the answer never arrives.
//
// Hard part: to know an answer when it passes. An HTTP/2 server sends frames of other kinds at any time (SETTINGS,
// PING, WINDOW_UPDATE); an answer begins with HEADERS, and a stream's later ones with DATA. So the frames from the
// server are told apart, and nothing else is.
//
// Threads:  all but the constructor and destructor from any. Lifetime: the server, or the one it was told of last,
//           outlives the proxy.
// Source:   RFC 9113, section 4.1 (frame header).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace kv {

class CuttingProxy {
 public:
  // `server` is HOST:PORT of the loopback.
  explicit CuttingProxy(const std::string& server);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  std::string target() const { return "127.0.0.1:" + std::to_string(port_); }
  // The next answer is lost, and its connection with it.
  void cut_next() noexcept { armed_ = true; }
  // The n-th frame of data from now on is lost, and its connection with it.
  void cut_at_data(int n) noexcept { data_left_ = n; }
  bool armed() const noexcept { return armed_ || data_left_ > 0; }
  // Connections from now on lead there.
  void lead_to(const std::string& server);
  int cuts() const noexcept { return cuts_; }

 private:
  void accept_all();
  void pass(int client);
  // What the server sent, up to an answer that is to be lost. False: there is one.
  bool forward_frames(std::string& pending, int client);
  bool shall_be_lost(char type, bool empty) noexcept;

  std::atomic<std::uint16_t> server_port_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> armed_{false};
  std::atomic<int> data_left_{0};
  std::atomic<int> cuts_{0};
  int stop_[2] = {-1, -1};  // a pipe that is closed at the end
  std::thread accepting_;
  std::vector<std::thread> passing_;  // of accepting_
};

}  // namespace kv
