#include "tests/client/cutting_proxy.h"

#include <stdexcept>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace kv {
namespace {

constexpr std::size_t kFrameHeaderBytes = 9;
constexpr char kDataFrame = 0;
constexpr char kHeadersFrame = 1;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::uint16_t port_of(const std::string& target) {
  return static_cast<std::uint16_t>(std::stoul(target.substr(target.rfind(':') + 1)));
}

}  // namespace

CuttingProxy::CuttingProxy(const std::string& server) : server_port_(port_of(server)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  const bool listening =
      ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listener_, 16) == 0 &&
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0 && ::pipe2(stop_, O_CLOEXEC) == 0;
  if (!listening) throw std::runtime_error("the proxy cannot listen");
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { accept_all(); });
}

void CuttingProxy::lead_to(const std::string& server) { server_port_ = port_of(server); }

CuttingProxy::~CuttingProxy() {
  ::close(stop_[1]);
  accepting_.join();
  ::close(listener_);
  ::close(stop_[0]);
}

void CuttingProxy::accept_all() {
  while (true) {
    pollfd waits[2] = {{listener_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    ::poll(waits, 2, -1);
    if (waits[1].revents != 0) break;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) passing_.emplace_back([this, client] { pass(client); });
  }
  for (std::thread& thread : passing_) thread.join();
}

void CuttingProxy::pass(int client) {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(server_port_);
  bool open = ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  std::string pending;  // of the server, not a whole frame yet
  char buffer[16384];
  while (open) {
    pollfd waits[3] = {{client, POLLIN, 0}, {server, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    ::poll(waits, 3, -1);
    if (waits[2].revents != 0) break;
    if (waits[0].revents != 0) {
      const ssize_t got = ::recv(client, buffer, sizeof buffer, 0);
      open = got > 0 && send_all(server, {buffer, static_cast<std::size_t>(got)});
    }
    if (open && waits[1].revents != 0) {
      const ssize_t got = ::recv(server, buffer, sizeof buffer, 0);
      if (got > 0) pending.append(buffer, static_cast<std::size_t>(got));
      open = got > 0 && forward_frames(pending, client);
    }
  }
  ::close(server);
  ::close(client);
}

bool CuttingProxy::shall_be_lost(char type, bool empty) noexcept {
  if (type == kHeadersFrame) return armed_.exchange(false);
  if (type != kDataFrame || empty) return false;
  int left = data_left_;
  while (left > 0 && !data_left_.compare_exchange_weak(left, left - 1)) {
  }
  return left == 1;
}

bool CuttingProxy::forward_frames(std::string& pending, int client) {
  while (pending.size() >= kFrameHeaderBytes) {
    const auto byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(pending[at])); };
    const std::size_t bytes = kFrameHeaderBytes + (byte(0) << 16 | byte(1) << 8 | byte(2));
    if (pending.size() < bytes) break;
    if (shall_be_lost(pending[3], bytes == kFrameHeaderBytes)) {
      ++cuts_;
      return false;
    }
    if (!send_all(client, std::string_view(pending).substr(0, bytes))) return false;
    pending.erase(0, bytes);
  }
  return true;
}

}  // namespace kv
