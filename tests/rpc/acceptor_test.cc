// Connections before they are gRPC's: addresses, the bound, and what happens when descriptors run out.
#include "rpc/acceptor/acceptor.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/absl_text.h"
#include "core/descriptor.h"
#include "rpc/acceptor/listening_socket.h"
#include "rpc/acceptor/open_connections.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

// ---- Clients ----------------------------------------------------------------------------------------------------

std::uint16_t port_of(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

Descriptor connect_v4(std::uint16_t port) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) socket.reset();
  return socket;
}

Descriptor connect_v6(std::uint16_t port) {
  Descriptor socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_port = htons(port);
  name.sin6_addr = in6addr_loopback;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) socket.reset();
  return socket;
}

Descriptor connect_path(const std::string& path) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) socket.reset();
  return socket;
}

// The other side has closed it, now or within a long time.
bool closed(const Descriptor& socket, std::chrono::milliseconds patience = 20s) {
  pollfd waiting{socket.get(), POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(patience.count())) != 1) return false;
  char byte = 0;
  return ::recv(socket.get(), &byte, 1, MSG_DONTWAIT) <= 0;
}

bool has_ipv6() { return listen_on("[::1]:0").ok(); }

// ---- An acceptor that keeps what it is given ----------------------------------------------------------------------

class Hall {
 public:
  explicit Hall(std::size_t places, const std::vector<std::string>& addresses = {"127.0.0.1:0"}) : acceptor(places) {
    REQUIRE(acceptor.listen(addresses).ok());
    acceptor.start([this](int descriptor) {
      const std::lock_guard lock(mutex_);
      inside_.emplace_back(descriptor);
      came_.notify_all();
    });
  }

  bool wait_for_inside(std::size_t count) {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, 20s, [&] { return inside_.size() >= count; });
  }
  void leave(std::size_t index) {
    const std::lock_guard lock(mutex_);
    inside_[index].reset();
  }
  int number(std::size_t index) {
    const std::lock_guard lock(mutex_);
    return inside_[index].get();
  }
  std::uint16_t port(std::size_t index = 0) { return port_of(acceptor.addresses()[index]); }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Descriptor> inside_;  // guarded by mutex_

 public:
  Acceptor acceptor;  // the first to go
};

// Connects until so many have been let in since the start.
std::vector<Descriptor> come_until_accepted(Hall& hall, std::uint64_t accepted) {
  std::vector<Descriptor> tries;
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (hall.acceptor.figures().accepted < accepted) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    Descriptor next = connect_v4(hall.port());
    REQUIRE(next.valid());
    if (!closed(next, 10ms)) tries.push_back(std::move(next));
  }
  return tries;
}

std::string refusal(const std::string& address) {
  const auto listening = listen_on(address);
  if (listening.ok()) return "it listens on " + listening->address;
  CHECK(listening.status().code() == absl::StatusCode::kUnavailable);
  return std::string(message_of(listening.status()));
}

// A pair of connected sockets, of which one stands for a connection.
struct Pair {
  Pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    ours = Descriptor(ends[0]);
    theirs = Descriptor(ends[1]);
  }
  Descriptor ours, theirs;
};

// ---- Addresses --------------------------------------------------------------------------------------------------

TEST_CASE("acceptor: it listens on every address it is given and tells the ports it got") {
  TempDirectory directory;
  const std::string path = directory.file("socket");
  std::vector<std::string> addresses = {"127.0.0.1:0", "localhost:0", "unix:" + path};
  if (has_ipv6()) addresses.emplace_back("[::1]:0");
  Hall hall(100, addresses);
  REQUIRE(hall.acceptor.addresses().size() == addresses.size());
  CHECK(hall.acceptor.addresses()[0].starts_with("127.0.0.1:"));
  CHECK(hall.acceptor.addresses()[1].starts_with("localhost:"));
  CHECK(hall.acceptor.addresses()[2] == "unix:" + path);
  const Descriptor first = connect_v4(hall.port(0));
  const Descriptor second = connect_v4(hall.port(1));
  const Descriptor third = connect_path(path);
  CHECK((first.valid() && second.valid() && third.valid()));
  CHECK(hall.wait_for_inside(3));
  if (!has_ipv6()) return;
  const Descriptor fourth = connect_v6(hall.port(3));
  CHECK(fourth.valid());
  CHECK(hall.wait_for_inside(4));
}

TEST_CASE("acceptor: every address of the machine means both families") {
  const std::string address = GENERATE("0.0.0.0:0", "[::]:0");
  CAPTURE(address);
  Hall hall(100, {address});
  const Descriptor first = connect_v4(hall.port());
  CHECK(first.valid());
  CHECK(hall.wait_for_inside(1));
  if (!has_ipv6()) return;
  const Descriptor second = connect_v6(hall.port());
  CHECK(second.valid());
  CHECK(hall.wait_for_inside(2));
}

TEST_CASE("acceptor: one address of the machine means no other one") {
  if (!has_ipv6()) return;
  Hall hall(100, {"[::1]:0"});
  CHECK_FALSE(connect_v4(hall.port()).valid());
}

TEST_CASE("acceptor: a connection sends small messages at once and is not inherited by children") {
  Hall hall(100);
  const Descriptor client = connect_v4(hall.port());
  REQUIRE(hall.wait_for_inside(1));
  int no_delay = 0;
  socklen_t bytes = sizeof no_delay;
  CHECK(::getsockopt(hall.number(0), IPPROTO_TCP, TCP_NODELAY, &no_delay, &bytes) == 0);
  CHECK(no_delay != 0);
  CHECK((::fcntl(hall.number(0), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(hall.number(0), F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE("acceptor: an address that is taken, or makes no sense, is refused by its name") {
  Hall hall(100);
  const std::string taken = hall.acceptor.addresses().front();
  CHECK(refusal(taken) == "cannot listen on " + taken + ": Address already in use");
  CHECK(refusal("0.0.0.0:" + std::to_string(hall.port())).ends_with("Address already in use"));
  CHECK(refusal("256.1.1.1:1").starts_with("cannot listen on 256.1.1.1:1: "));
  CHECK(refusal("127.0.0.1:x").starts_with("cannot listen on 127.0.0.1:x: "));
  CHECK(refusal("127.0.0.1") == "cannot listen on 127.0.0.1: it names no port");
  CHECK(refusal("192.0.2.1:1").ends_with("Cannot assign requested address"));
  CHECK(refusal("unix:/" + std::string(200, 'x')).ends_with("the path is too long"));
  CHECK(refusal("unix:/nowhere/socket").ends_with("No such file or directory"));
}

TEST_CASE("acceptor: when one address cannot be listened on, none is") {
  Hall hall(100);
  Acceptor second(100);
  TempDirectory directory;
  const std::string path = directory.file("socket");
  CHECK_FALSE(second.listen({"unix:" + path, hall.acceptor.addresses().front()}).ok());
  CHECK_FALSE(connect_path(path).valid());
}

TEST_CASE("acceptor: a unix path is taken over from nobody who answers, and from no file, but from the dead") {
  TempDirectory directory;
  const std::string path = directory.file("socket");
  {
    Hall hall(100, {"unix://" + path});
    CHECK(refusal("unix:" + path).ends_with("another server answers there"));
    CHECK(connect_path(path).valid());
  }
  CHECK(::access(path.c_str(), F_OK) != 0);  // it tidied up
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  Descriptor dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
  dead.reset();
  {
    const Hall hall(100, {"unix:" + path});
    CHECK(connect_path(path).valid());
  }
  std::ofstream(path) << "precious";
  CHECK(refusal("unix:" + path).ends_with("Address already in use"));
  CHECK(::access(path.c_str(), F_OK) == 0);
}

// ---- The bound --------------------------------------------------------------------------------------------------

TEST_CASE(
    "acceptor: beyond the bound a connection is closed at once, the others stay, and a place that is left is given "
    "away") {
  Hall hall(3);
  std::vector<Descriptor> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect_v4(hall.port()));
  REQUIRE(hall.wait_for_inside(3));
  for (int i = 0; i < 5; ++i) REQUIRE(closed(connect_v4(hall.port())));
  CHECK(hall.acceptor.figures().refused_at_bound == 5);
  CHECK(hall.acceptor.figures().open == 3);
  for (const Descriptor& client : clients) CHECK_FALSE(closed(client, 0ms));

  hall.leave(1);
  CHECK(closed(clients[1]));
  // Its number may go to a client of this very process, and right after a look the next one waits for a moment: so one
  // comes again until it is let in.
  const std::vector<Descriptor> tries = come_until_accepted(hall, 4);
  CHECK(hall.wait_for_inside(4));
  CHECK(closed(connect_v4(hall.port())));
  CHECK(hall.acceptor.figures().accepted == 4);
}

TEST_CASE("acceptor: a place whose number went to a file is found too") {
  Hall hall(2);
  const Descriptor first = connect_v4(hall.port());
  const Descriptor second = connect_v4(hall.port());
  REQUIRE(hall.wait_for_inside(2));
  CHECK(closed(connect_v4(hall.port())));
  const int number = hall.number(0);
  hall.leave(0);
  TempDirectory directory;
  std::vector<Descriptor> files;  // Until one has the number.
  do {
    files.emplace_back(::open(directory.path().c_str(), O_RDONLY | O_CLOEXEC));
  } while (files.back().get() != number && files.size() < 1000);
  REQUIRE(files.back().get() == number);
  const std::vector<Descriptor> tries = come_until_accepted(hall, 3);
  CHECK(hall.wait_for_inside(3));
}

TEST_CASE("acceptor: after the stop nobody is let in and nobody listens") {
  Hall hall(100);
  const std::uint16_t port = hall.port();
  const Descriptor client = connect_v4(port);
  REQUIRE(hall.wait_for_inside(1));
  hall.acceptor.stop();
  CHECK_FALSE(connect_v4(port).valid());
  CHECK_FALSE(closed(client, 0ms));
  CHECK(hall.acceptor.figures().accepted == 1);
  hall.acceptor.stop();
}

TEST_CASE("open connections: a number that comes back stands for a place that was left") {
  OpenConnections open(2);
  Pair first, second;
  CHECK(open.take_place(first.ours.get()));
  CHECK(open.take_place(second.ours.get()));
  const int number = first.ours.get();
  first.ours.reset();
  Descriptor next(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));  // the lowest free number
  REQUIRE(next.get() == number);
  CHECK(open.take_place(next.get()));
  CHECK(open.count() == 2);
}

TEST_CASE("open connections: all places are looked at when none is free, and not again before a pause") {
  using Time = OpenConnections::Time;
  OpenConnections open(1);
  Pair first, second;
  const Time begin = std::chrono::steady_clock::now();
  CHECK(open.take_place(first.ours.get(), begin));
  CHECK_FALSE(open.take_place(second.ours.get(), begin));  // looked, and found nothing
  first.ours.reset();
  CHECK_FALSE(open.take_place(second.ours.get(), begin));  // not looked again
  CHECK(open.take_place(second.ours.get(), begin + 1min));
  CHECK(open.count() == 1);
}

TEST_CASE("open connections: a look that was held up does not keep the next one waiting") {
  using Time = OpenConnections::Time;
  OpenConnections open(1);
  Pair first, second;
  const Time begin = std::chrono::steady_clock::now();
  CHECK(open.take_place(first.ours.get(), begin));
  CHECK_FALSE(open.take_place(second.ours.get(), begin - 1h));  // as if it had taken an hour
  first.ours.reset();
  CHECK(open.take_place(second.ours.get(), std::chrono::steady_clock::now() + 200ms));
}

}  // namespace
}  // namespace kv
