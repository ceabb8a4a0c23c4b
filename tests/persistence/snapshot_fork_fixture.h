// Snapshots by fork in a directory of their own, with verbs: fill, begin, and a child that waits to be looked at.
#pragma once

#include <atomic>
#include <cerrno>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/descriptor.h"
#include "hooked_file_system.h"
#include "persistence/snapshot_forker.h"
#include "persistence/snapshot_loader.h"
#include "snapshot_fixture.h"

namespace kv {

// A forker with its io_context, a store and a directory. A slow child lives until somebody ends it.
struct ForkFixture {
  TempDirectory directory;
  HookedFileSystem fs;
  SystemClock clock;
  Store store{{.shard_count = 8}};
  std::atomic<Revision> last_revision = 0;
  SnapshotForkerOptions options;
  std::atomic<bool> child_writes = false;

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::thread io_thread{[this] { io.run(); }};
  std::optional<SnapshotForker> forker;

  ForkFixture() {
    options.silence_max = std::chrono::hours(1);
    options.on_progress = [this](const SnapshotProgress&) {
      child_writes = true;
      child_writes.notify_all();
    };
  }
  ~ForkFixture() {
    forker.reset();
    work.reset();
    io_thread.join();
  }

  void fill(int keys) {
    for (int i = 0; i < keys; ++i) set(store, fmt::format("key-{}", i), fmt::format("value-{}", i), ++last_revision);
  }
  void slow_child() { options.pause_per_write = std::chrono::hours(1); }

  std::future<SnapshotOutcome> begin(std::uint64_t number = 1) {
    if (!forker)
      forker.emplace(
          io, fs, clock, store, [this] { return last_revision.load(); }, options);
    auto outcome = std::make_shared<std::promise<SnapshotOutcome>>();
    std::future<SnapshotOutcome> future = outcome->get_future();
    const absl::Status begun =
        forker->begin({.number = number, .store_id = StoreId{}, .directory = directory.path()},
                      [outcome](SnapshotOutcome result) { outcome->set_value(std::move(result)); });
    REQUIRE(begun.ok());
    return future;
  }
  // A child that has put its inheritance away and waits before its first write.
  std::future<SnapshotOutcome> begin_slow() {
    slow_child();
    std::future<SnapshotOutcome> outcome = begin();
    child_writes.wait(false);
    return outcome;
  }
  absl::StatusOr<SnapshotInfo> load(const SnapshotOutcome& outcome, Store& into) {
    return load_snapshot(posix_file_system(), outcome.temporary_path,
                         {.store_id = StoreId{},
                          .number = outcome.info.number(),
                          .cut = outcome.info.cut(),
                          .file_bytes = outcome.info.footer.file_bytes,
                          .digest = outcome.info.footer.digest},
                         into, {.threads = 2, .progress = {}});
  }
  bool directory_is_empty() { return posix_file_system().list(directory.path())->empty(); }
};

inline void check_no_child_left() {
  errno = 0;
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

struct Listener {
  Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port = 0;

  int bind_to(std::uint16_t wanted) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(wanted);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return errno;
    if (::listen(socket.get(), 1) != 0) return errno;
    socklen_t size = sizeof address;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    return 0;
  }
};

}  // namespace kv
