#include "tests/support/half_messages.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <stdexcept>
#include <string_view>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace kv {
namespace {

enum FrameType : int { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kWindowUpdate = 8 };
enum FrameFlag : int { kAcknowledge = 1, kEndStream = 1, kEndHeaders = 4 };
constexpr int kInitialWindowSetting = 4;
constexpr std::int64_t kFrameBytes = 16'384;
constexpr std::size_t kOutBytes = 64 << 10;  // that wait for the kernel, and in it
constexpr std::size_t kHeadBytes = 9;

std::string literal(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
}

std::string big_endian(std::uint64_t number, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(number >> (8 * i)));
  return out;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at, int count) {
  std::uint32_t number = 0;
  for (int i = 0; i < count; ++i) number = number << 8 | static_cast<unsigned char>(bytes.at(at++));
  return number;
}

int connect_to(const std::string& address) {
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int bytes = static_cast<int>(kOutBytes);  // What is under way counts as held: let it be little.
  if (socket < 0 || setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) != 0 ||
      connect(socket, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) != 0 ||
      fcntl(socket, F_SETFL, O_NONBLOCK) != 0) {
    throw std::runtime_error("no connection to " + address);
  }
  return socket;
}

}  // namespace

class HalfMessages::Connection {
 public:
  explicit Connection(const Plan& plan) : plan_(plan), socket_(connect_to(plan.address)) {
    out_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    add_frame(kSettings, 0, 0, "");
    while (streams_.size() < static_cast<std::size_t>(plan.streams)) begin();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(socket_); }

  void step() {
    if (closed_) return;
    receive();
    while (plan_.again && !closed_ && streams_.size() < static_cast<std::size_t>(plan_.streams)) begin();
    fill();
    flush();
  }
  pollfd awaited() const {
    return {closed_ ? -1 : socket_, static_cast<short>(out_.empty() ? POLLIN : POLLIN | POLLOUT), 0};
  }
  bool all_sent() const {
    return closed_ ||
           std::all_of(streams_.begin(), streams_.end(), [](const auto& each) { return each.second.left == 0; });
  }
  std::size_t bytes_held() const {
    std::size_t bytes = 0;
    for (const auto& [id, stream] : streams_) bytes += plan_.bytes - stream.left;
    return closed_ ? 0 : bytes;
  }
  std::uint64_t cut_off() const { return cut_off_; }
  bool closed() const { return closed_; }

 private:
  struct Stream {
    std::int64_t window;
    std::size_t left;
    bool begun = false;
  };

  void begin() {
    add_frame(kHeaders, kEndHeaders, next_,
              literal(":method", "POST") + literal(":scheme", "http") + literal(":path", plan_.path) +
                  literal(":authority", "test") + literal("te", "trailers") +
                  literal("content-type", "application/grpc"));
    streams_.emplace(next_, Stream{initial_window_, plan_.bytes});
    next_ += 2;
  }

  void add_frame(int type, int flags, std::uint32_t stream, const std::string& payload) {
    out_ += big_endian(payload.size(), 3) + big_endian(static_cast<unsigned>(type), 1) +
            big_endian(static_cast<unsigned>(flags), 1) + big_endian(stream, 4) + payload;
  }

  // As much as windows and the kernel's own buffer allow.
  void fill() {
    for (auto& [id, stream] : streams_) {
      while (out_.size() < kOutBytes && stream.left > 0) {
        const std::string prefix = stream.begun ? "" : std::string(1, '\0') + big_endian(plan_.bytes + 1000, 4);
        const auto least = static_cast<std::int64_t>(prefix.size()) + 1;
        const std::int64_t room = std::min({kFrameBytes, stream.window, window_});
        if (room < least) break;
        const auto bytes = std::min(static_cast<std::size_t>(room) - prefix.size(), stream.left);
        add_frame(kData, 0, id, prefix + std::string(bytes, 'h'));
        stream.begun = true;
        stream.left -= bytes;
        stream.window -= static_cast<std::int64_t>(prefix.size() + bytes);
        window_ -= static_cast<std::int64_t>(prefix.size() + bytes);
      }
    }
  }

  void flush() {
    const ssize_t sent = send(socket_, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent > 0) out_.erase(0, static_cast<std::size_t>(sent));
    if (sent < 0 && errno != EAGAIN) closed_ = true;
  }

  void receive() {
    char bytes[65536];
    for (;;) {
      const ssize_t received = recv(socket_, bytes, sizeof bytes, 0);
      if (received < 0 && errno == EAGAIN) break;
      if (received <= 0) {
        closed_ = true;
        return;
      }
      in_.append(bytes, static_cast<std::size_t>(received));
    }
    std::size_t at = 0;
    while (in_.size() - at >= kHeadBytes) {
      const std::size_t size = number_at(in_, at, 3);
      if (in_.size() - at < kHeadBytes + size) break;
      const std::string_view payload(in_.data() + at + kHeadBytes, size);
      take(in_[at + 3], in_[at + 4], number_at(in_, at + 5, 4) & 0x7fffffffU, payload);
      at += kHeadBytes + size;
    }
    in_.erase(0, at);
  }

  void take(int type, int flags, std::uint32_t id, std::string_view payload) {
    const auto stream = streams_.find(id);
    if (type == kSettings && (flags & kAcknowledge) == 0) {
      for (std::size_t at = 0; at + 6 <= payload.size(); at += 6) {
        if (number_at(payload, at, 2) == kInitialWindowSetting) initial_window_is(number_at(payload, at + 2, 4));
      }
      add_frame(kSettings, kAcknowledge, 0, "");
    } else if (type == kPing && (flags & kAcknowledge) == 0) {
      add_frame(kPing, kAcknowledge, 0, std::string(payload));
    } else if (type == kWindowUpdate && id == 0) {
      window_ += number_at(payload, 0, 4);
    } else if (type == kWindowUpdate && stream != streams_.end()) {
      stream->second.window += number_at(payload, 0, 4);
    } else if (stream != streams_.end() && (type == kReset || (type == kHeaders && (flags & kEndStream) != 0))) {
      streams_.erase(stream);
      ++cut_off_;
    }
  }

  void initial_window_is(std::int64_t bytes) {
    for (auto& [id, stream] : streams_) stream.window += bytes - initial_window_;
    initial_window_ = bytes;
  }

  const Plan plan_;
  const int socket_;
  std::string out_;
  std::string in_;
  std::int64_t window_ = 65'535;
  std::int64_t initial_window_ = 65'535;
  std::uint32_t next_ = 1;
  std::map<std::uint32_t, Stream> streams_;  // that are open
  std::uint64_t cut_off_ = 0;
  bool closed_ = false;
};

HalfMessages::HalfMessages(const Plan& plan) {
  for (int i = 0; i < plan.connections; ++i) connections_.push_back(std::make_unique<Connection>(plan));
}

HalfMessages::~HalfMessages() = default;

void HalfMessages::step() {
  std::vector<pollfd> awaited;
  for (const auto& connection : connections_) {
    connection->step();
    awaited.push_back(connection->awaited());
  }
  constexpr int kMoment = 10;
  poll(awaited.data(), awaited.size(), kMoment);
}

bool HalfMessages::all_sent() const {
  return std::all_of(connections_.begin(), connections_.end(), [](const auto& each) { return each->all_sent(); });
}

std::size_t HalfMessages::bytes_held() const {
  std::size_t bytes = 0;
  for (const auto& connection : connections_) bytes += connection->bytes_held();
  return bytes;
}

std::uint64_t HalfMessages::streams_cut_off() const {
  std::uint64_t streams = 0;
  for (const auto& connection : connections_) streams += connection->cut_off();
  return streams;
}

std::uint64_t HalfMessages::connections_closed() const {
  return static_cast<std::uint64_t>(
      std::count_if(connections_.begin(), connections_.end(), [](const auto& each) { return each->closed(); }));
}

}  // namespace kv
