#include "rpc/acceptor/acceptor.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <list>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "core/descriptor.h"
#include "rpc/acceptor/listening_socket.h"
#include "rpc/acceptor/open_connections.h"

namespace kv {
namespace {

using Failed = boost::system::error_code;

constexpr int kAtOnce = 64;  // connections of one address before the others have their turn
constexpr std::chrono::milliseconds kPause{100};

Descriptor open_spare() noexcept { return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

int accept_from(int socket) noexcept { return ::accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); }

bool out_of_descriptors(int error_number) noexcept { return error_number == EMFILE || error_number == ENFILE; }

// A trouble of the process or the machine, not of one connection that was gone before it was accepted.
bool is_lasting(int error_number) noexcept {
  return out_of_descriptors(error_number) || error_number == ENOBUFS || error_number == ENOMEM;
}

}  // namespace

struct Acceptor::State {
  explicit State(std::size_t connections_max) : open(connections_max) {}

  // One listening socket. Runs on the acceptor's thread.
  struct Door {
    Door(State& state, ListeningSocket socket) : state(state), socket(std::move(socket)) {}
    ~Door() { ready.release(); }  // The socket closes itself.

    void wait() {
      ready.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](const Failed& failed) {
        if (!failed) look();
      });
    }
    void look() {
      for (int i = 0; i < kAtOnce; ++i) {
        const int connection = accept_from(socket.get());
        if (connection >= 0) {
          state.let_in(Descriptor(connection));
        } else if (errno == EAGAIN) {
          break;
        } else if (is_lasting(errno) && !(out_of_descriptors(errno) && state.turn_away_one(socket.get()))) {
          return pause();
        }
      }
      wait();
    }
    void pause() {
      timer.expires_after(kPause);
      timer.async_wait([this](const Failed& failed) {
        if (!failed) look();
      });
    }

    State& state;
    const ListeningSocket socket;
    boost::asio::posix::stream_descriptor ready{state.context, socket.get()};
    boost::asio::steady_timer timer{state.context};
  };

  void let_in(Descriptor connection) {
    if (!open.take_place(connection.get())) {
      refused_at_bound.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    accepted.fetch_add(1, std::memory_order_relaxed);
    take(connection.release());
  }
  // False: there is no way to accept even one.
  bool turn_away_one(int socket) noexcept {
    if (!spare.valid()) spare = open_spare();
    if (!spare.valid()) return false;
    spare.reset();
    Descriptor connection(accept_from(socket));
    const bool lasting = !connection.valid() && is_lasting(errno);
    if (connection.valid()) refused_without_descriptor.fetch_add(1, std::memory_order_relaxed);
    connection.reset();
    spare = open_spare();
    return !lasting;
  }

  OpenConnections open;
  Take take;
  std::vector<std::string> addresses;
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused_at_bound{0};
  std::atomic<std::uint64_t> refused_without_descriptor{0};
  Descriptor spare;  // of the acceptor's thread, once it runs

  boost::asio::io_context context{1};
  std::list<Door> doors;
  std::thread thread;
};

Acceptor::Acceptor(std::size_t connections_max) : state_(std::make_unique<State>(connections_max)) {}

Acceptor::~Acceptor() { stop(); }

absl::Status Acceptor::listen(const std::vector<std::string>& addresses) {
  std::vector<Listening> all;
  for (const std::string& address : addresses) {
    auto listening = listen_on(address);
    if (!listening.ok()) return listening.status();
    all.push_back(*std::move(listening));
  }
  for (Listening& listening : all) {
    state_->addresses.push_back(listening.address);
    for (ListeningSocket& socket : listening.sockets) state_->doors.emplace_back(*state_, std::move(socket));
  }
  return absl::OkStatus();
}

const std::vector<std::string>& Acceptor::addresses() const noexcept { return state_->addresses; }

void Acceptor::start(Take take) {
  state_->take = std::move(take);
  state_->spare = open_spare();
  for (State::Door& door : state_->doors) door.wait();
  state_->thread = std::thread([this] { state_->context.run(); });
  pthread_setname_np(state_->thread.native_handle(), "acceptor");
}

void Acceptor::stop() noexcept {
  state_->context.stop();
  if (state_->thread.joinable()) state_->thread.join();
  state_->doors.clear();
  state_->spare.reset();
}

AcceptorFigures Acceptor::figures() const {
  return {.open = state_->open.count(),
          .accepted = state_->accepted.load(std::memory_order_relaxed),
          .refused_at_bound = state_->refused_at_bound.load(std::memory_order_relaxed),
          .refused_without_descriptor = state_->refused_without_descriptor.load(std::memory_order_relaxed)};
}

}  // namespace kv
