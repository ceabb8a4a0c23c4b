#include "http2_client.h"

#include <algorithm>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace kv {
namespace {

using namespace std::chrono_literals;

enum FrameType : int { kData = 0, kHeaders = 1, kSettings = 4, kPing = 6 };
enum FrameFlag : int { kAcknowledge = 1, kEndStream = 1, kEndHeaders = 4 };

std::string literal(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
}

std::string big_endian(std::size_t number, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(number >> (8 * i)));
  return out;
}

}  // namespace

Http2Client::Http2Client(const std::string& address) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(socket_, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) == 0);
  out_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  add_frame(kSettings, 0, 0, "");
}

Http2Client::~Http2Client() { close(socket_); }

void Http2Client::add(const std::string& path, const Fields& fields, const std::string& body, bool send_body) {
  std::string headers = literal(":method", "POST") + literal(":scheme", "http") + literal(":path", path) +
                        literal(":authority", "test") + literal("te", "trailers") +
                        literal("content-type", "application/grpc");
  for (const auto& [name, value] : fields) headers += literal(name, value);
  add_frame(kHeaders, kEndHeaders | (send_body ? 0 : kEndStream), next_stream_, headers);
  if (send_body) add_frame(kData, kEndStream, next_stream_, body);
  next_stream_ += 2;
  ++open_streams_;
}

void Http2Client::run() {
  flush();
  while (open_streams_ != 0) {
    const auto [type, flags] = read_frame();
    if (type == kSettings && (flags & kAcknowledge) == 0) {
      add_frame(kSettings, kAcknowledge, 0, "");
      flush();
    }
    if (type == kHeaders && (flags & kEndStream) != 0) --open_streams_;
  }
}

void Http2Client::ping(int count) {
  for (int i = 0; i < count; ++i) add_frame(kPing, 0, 0, "8 bytes.");
  flush();
}

void Http2Client::wait_for_pong() {
  Frame frame = read_frame();
  while (frame.type != kPing || (frame.flags & kAcknowledge) == 0) frame = read_frame();
}

bool Http2Client::cut_off_within(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd readable{socket_, POLLIN, 0};
    if (poll(&readable, 1, static_cast<int>(std::max(left, 0ms).count())) == 0) return false;
    char bytes[4096];
    if (recv(socket_, bytes, sizeof bytes, 0) <= 0) return true;
  }
}

void Http2Client::add_frame(int type, int flags, int stream, const std::string& payload) {
  out_ += big_endian(payload.size(), 3) + big_endian(type, 1) + big_endian(flags, 1) + big_endian(stream, 4) + payload;
}

Http2Client::Frame Http2Client::read_frame() {
  const std::string head = read_exactly(9);
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(head[i]); };
  read_exactly(byte(0) << 16 | byte(1) << 8 | byte(2));
  return {byte(3), byte(4)};
}

void Http2Client::flush() {
  REQUIRE(send(socket_, out_.data(), out_.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out_.size()));
  out_.clear();
}

std::string Http2Client::read_exactly(std::size_t bytes) {
  std::string out(bytes, '\0');
  if (bytes != 0) REQUIRE(recv(socket_, out.data(), bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes));
  return out;
}

}  // namespace kv
