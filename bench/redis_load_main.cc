// kvstore_redis_load: a load for redis-server that costs next to nothing, to see what the server does when its client
// is not what limits it.
//
// One thread. Each connection has one pipeline of SETs and GETs under way and sends the next when the last of its
// answers is there: a closed loop. Keys are those of redis-benchmark (key:000000000042), values so many times 'v'.
//   fill   sets every key once, in order
//   run    for so many seconds, keys at random; one JSON object on stdout
//
// Hard part: answers come in any pieces, so they are counted byte by byte, by a reader that keeps its place.
// Errors:    an error that the server answers, or a connection that ends, ends the program with 1.
// Source:    the Redis serialization protocol, RESP2.
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/random.h"

namespace kv {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 256 << 10;
constexpr std::size_t kLineBytesMax = 4096;  // of an answer's first line; an error's text is the longest
constexpr int kSilentMillisecondsMax = 60'000;

struct Options {
  std::uint16_t port = 6379;
  std::uint64_t keys = 1'000'000;
  std::size_t value_bytes = 64;
  std::size_t connections = 16;
  std::size_t depth = 16;
  double seconds = 1;
  double reads = 0.5;  // their share
};

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

// Counts whole answers in a stream of bytes.
class AnswerReader {
 public:
  std::size_t count(std::string_view bytes) {
    std::size_t answers = 0;
    while (!bytes.empty()) {
      if (skip_ > 0) {
        const std::size_t now = std::min(skip_, bytes.size());
        skip_ -= now;
        bytes.remove_prefix(now);
        if (skip_ == 0) ++answers;
        continue;
      }
      const std::size_t end = bytes.find('\n');
      line_.append(bytes.substr(0, end));
      if (line_.size() > kLineBytesMax) throw std::runtime_error("an answer that is none of Redis");
      if (end == std::string_view::npos) break;
      bytes.remove_prefix(end + 1);
      if (take_line()) ++answers;
      line_.clear();
    }
    return answers;
  }

 private:
  // Whether the answer ends with it.
  bool take_line() {
    if (line_.empty() || line_[0] == '-') throw std::runtime_error("the server answers: " + line_);
    if (line_[0] != '$') return true;
    const long long length = std::stoll(line_.substr(1));
    if (length < 0) return true;                   // There is no such key.
    skip_ = static_cast<std::size_t>(length) + 2;  // with the end of the line behind it
    return false;
  }

  std::string line_;
  std::size_t skip_ = 0;
};

class Connection {
 public:
  explicit Connection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int yes = 1;
    if (socket_ < 0) fail("socket");
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
    if (::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) fail("setsockopt");
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int socket() const noexcept { return socket_; }
  bool idle() const noexcept { return left_ == 0; }

  void send(std::string_view requests, std::size_t count) {
    left_ = count;
    while (!requests.empty()) {
      const ssize_t sent = ::send(socket_, requests.data(), requests.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) fail("send");
      requests.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // Answers that are there; blocks when none is.
  std::size_t receive(std::vector<char>& room) {
    const ssize_t read = ::recv(socket_, room.data(), room.size(), 0);
    if (read < 0 && errno == EINTR) return 0;
    if (read < 0) fail("recv");
    if (read == 0) throw std::runtime_error("the server closed a connection");
    const std::size_t answers = reader_.count({room.data(), static_cast<std::size_t>(read)});
    if (answers > left_) throw std::runtime_error("more answers than requests");
    left_ -= answers;
    return answers;
  }

 private:
  const int socket_;
  std::size_t left_ = 0;  // answers that are still to come
  AnswerReader reader_;
};

// That no compression makes smaller: Redis compresses what it saves, and would load less than we do.
std::string value_of(std::size_t bytes) {
  Random random(bytes);
  std::string value(bytes, '\0');
  for (char& byte : value) byte = static_cast<char>('!' + random.below('~' - '!'));
  return value;
}

// Requests that differ only in the digits of their keys.
class Requests {
 public:
  explicit Requests(const Options& options)
      : set_(fmt::format("*3\r\n$3\r\nSET\r\n$16\r\nkey:{:012}\r\n${}\r\n{}\r\n", 0, options.value_bytes,
                         value_of(options.value_bytes))),
        get_(fmt::format("*2\r\n$3\r\nGET\r\n$16\r\nkey:{:012}\r\n", 0)) {}

  void add(bool read, std::uint64_t key, std::string& to) const {
    const std::size_t begin = to.size();
    to += read ? get_ : set_;
    // Both begin alike up to the key's digits.
    static constexpr std::string_view kHead = "*3\r\n$3\r\nSET\r\n$16\r\nkey:";
    char* digit = to.data() + begin + kHead.size() + 12;
    for (; key != 0; key /= 10) *--digit = static_cast<char>('0' + key % 10);
  }

 private:
  const std::string set_, get_;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options), requests_(options), room_(kReadBytes) {
    for (std::size_t i = 0; i < options.connections; ++i) {
      connections_.push_back(std::make_unique<Connection>(options.port));
      polled_.push_back({connections_.back()->socket(), POLLIN, 0});
    }
  }

  // `next(batch)` fills in a pipeline and says how many it has; none: there is nothing more to send. Returns answers.
  template <class Next>
  std::uint64_t run(Next next) {
    std::uint64_t answered = 0;
    for (auto& each : connections_) send_next(*each, next);
    while (under_way_ > 0) {
      const int ready = ::poll(polled_.data(), polled_.size(), kSilentMillisecondsMax);
      if (ready < 0 && errno != EINTR) fail("poll");
      if (ready == 0) throw std::runtime_error("the server says nothing for a minute");
      for (std::size_t i = 0; ready > 0 && i < polled_.size(); ++i) {
        if (polled_[i].revents == 0) continue;
        answered += connections_[i]->receive(room_);
        if (!connections_[i]->idle()) continue;
        --under_way_;
        send_next(*connections_[i], next);
      }
    }
    return answered;
  }

  std::uint64_t fill() {
    std::uint64_t key = 0;
    return run([&](std::string& batch) {
      std::size_t count = 0;
      for (; count < options_.depth && key < options_.keys; ++count) requests_.add(false, key++, batch);
      return count;
    });
  }

  std::uint64_t measure(steady_clock::time_point end) {
    Random random(1);
    return run([&](std::string& batch) {
      if (steady_clock::now() >= end) return std::size_t{0};
      for (std::size_t i = 0; i < options_.depth; ++i) {
        requests_.add(random.unit() < options_.reads, random.below(options_.keys), batch);
      }
      return options_.depth;
    });
  }

 private:
  template <class Next>
  void send_next(Connection& connection, Next& next) {
    batch_.clear();
    const std::size_t count = next(batch_);
    if (count == 0) return;
    connection.send(batch_, count);
    ++under_way_;
  }

  const Options& options_;
  const Requests requests_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<pollfd> polled_;
  std::vector<char> room_;
  std::string batch_;
  std::size_t under_way_ = 0;  // connections that wait for answers
};

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  kv::Options options;
  CLI::App app("Loads a redis-server on this machine, at little cost.");
  app.require_subcommand(1);
  app.add_option("--port", options.port, "of the server, on 127.0.0.1")->required();
  app.add_option("--keys", options.keys, "how many there are")->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--value-bytes", options.value_bytes, "size of each value")->check(CLI::Range(0, 4096));
  app.add_option("--connections", options.connections, "each with one pipeline")->check(CLI::Range(1, 1000));
  app.add_option("--depth", options.depth, "requests in a pipeline")->check(CLI::Range(1, 1024));
  CLI::App* fill = app.add_subcommand("fill", "sets every key once");
  CLI::App* run = app.add_subcommand("run", "reads and sets keys at random");
  run->add_option("--seconds", options.seconds, "how long")->check(CLI::Range(0.01, 3600.0));
  run->add_option("--reads", options.reads, "their share")->check(CLI::Range(0.0, 1.0));
  for (CLI::App* each : {fill, run}) each->fallthrough();
  CLI11_PARSE(app, argc, argv);
  try {
    kv::Load load(options);
    const auto begin = kv::steady_clock::now();
    const auto length =
        std::chrono::duration_cast<kv::steady_clock::duration>(std::chrono::duration<double>(options.seconds));
    const std::uint64_t answered = fill->parsed() ? load.fill() : load.measure(begin + length);
    const double seconds = std::chrono::duration<double>(kv::steady_clock::now() - begin).count();
    std::cout << fmt::format("{{\"operations\": {}, \"seconds\": {:.6f}, \"rate\": {:.1f}}}\n", answered, seconds,
                             static_cast<double>(answered) / seconds);
  } catch (const std::exception& failure) {
    std::cerr << "kvstore_redis_load: " << failure.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
