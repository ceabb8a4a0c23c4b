// The faults of the original that stopped or stalled it, or left memory and disk in disagreement, each under its own
// name. Every case has a patch in tests/planted that puts the fault back and must turn the case red.
#include <filesystem>
#include <future>

#include <catch2/catch.hpp>
#include <grpcpp/generic/generic_stub.h>
#include <signal.h>

#include "tests/issues/session.h"
#include "tests/support/disk_faults.h"
#include "tests/support/file_watch.h"

namespace kv {

using kvstore::AOF;
using kvstore::HYBRID;
using kvstore::NON_PERSISTENT;
using kvstore::SNAPSHOT;

// A session whose disk can be made to fail.
struct FaultySession {
  explicit FaultySession(std::vector<std::string> flags) : session(std::move(flags), faults.environment()) {}

  DiskFaults faults;
  Session session;
};

TEST_CASE("D19: a write that the log cannot take is refused and leaves memory as it was") {
  FaultySession faulty({"--mode", "aof", "--log-segment-size", "1MiB"});
  Session& session = faulty.session;
  session.set("key", "before");
  faulty.faults.begin("no_space");
  // What is preallocated still takes writes; then the first refusal comes.
  grpc::Status status;
  std::string last;
  for (int i = 0; i < 2000; ++i) {
    const std::string value = std::to_string(i) + std::string(200'000, 'v');
    status = session.client().set("key", value);
    if (!status.ok()) break;
    last = value;
  }
  INFO(status.error_message());
  REQUIRE(status.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(status.error_message().find("WRITES_SUSPENDED") != std::string::npos);
  CHECK(session.get("key") == last);
  session.kill();
  faulty.faults.end("no_space");
  session.start();
  CHECK(session.get("key") == last);
}

TEST_CASE("D20: a log that could not grow takes writes again when there is space") {
  FaultySession faulty({"--mode", "aof", "--log-segment-size", "1MiB"});
  Session& session = faulty.session;
  faulty.faults.begin("no_space");
  const std::string value(200'000, 'v');
  while (session.client().set("key", value).ok()) {
  }
  faulty.faults.end("no_space");
  // It comes back by itself, without a restart; each refused call returns at once, so this asks until it does.
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!session.client().set("key", "after").ok()) REQUIRE(std::chrono::steady_clock::now() < bound);
  session.kill_and_start();
  CHECK(session.get("key") == "after");
}

TEST_CASE("S1: a switch of modes while a snapshot runs harms neither") {
  Session session({"--mode", "hybrid"});
  const std::string value(1'000'000, 'v');
  for (int i = 0; i < 30; ++i) session.set("key " + std::to_string(i), value);
  for (int round = 0; round < 3; ++round) {
    for (const auto mode : {AOF, SNAPSHOT, NON_PERSISTENT, HYBRID}) {
      session.server().signal(SIGUSR1);
      session.config(mode);
      CHECK(session.keys().size() == 30);
    }
  }
  session.kill_and_start();
  CHECK(session.keys().size() == 30);
}

TEST_CASE("S2: reads and writes go on while a snapshot is written") {
  FaultySession faulty({"--mode", "hybrid"});
  Session& session = faulty.session;
  session.set("key", "value");
  faulty.faults.begin("child_sync_hangs");
  session.server().signal(SIGUSR1);
  faulty.faults.wait_until_delivered();
  session.set("meanwhile", "written");
  CHECK(session.get("meanwhile") == "written");
  CHECK(session.snapshots().empty());
  faulty.faults.end("child_sync_hangs");
  FileWatch watch({session.path("snapshots")});
  watch.wait_until("the snapshot", [&] { return !session.snapshots().empty(); });
}

TEST_CASE("S3: a write that waits for the disk keeps no read of other keys waiting") {
  FaultySession faulty({"--mode", "aof"});
  Session& session = faulty.session;
  session.set("on disk", "value");
  faulty.faults.begin("sync_hangs");
  auto writer = std::async(std::launch::async, [&] {
    LegacyClient client(session.server().address());
    return client.set("waiting", "for the disk");
  });
  faulty.faults.wait_until_delivered();
  CHECK(session.get("on disk") == "value");
  CHECK(writer.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  faulty.faults.end("sync_hangs");
  CHECK(writer.get().ok());
  CHECK(session.get("waiting") == "for the disk");
}

TEST_CASE("S4: log files that a snapshot covers are removed") {
  Session session({"--mode", "hybrid", "--log-segment-size", "1MiB"});
  const std::string value(700'000, 'v');
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 8; ++i) session.set("key", std::to_string(i) + value);
    session.take_snapshot();
  }
  FileWatch watch({session.path("aof")});
  const std::string first = "0000000000000001.aof";
  watch.wait_until("the end of the first segment", [&] {
    const auto segments = session.segments();
    return std::find(segments.begin(), segments.end(), first) == segments.end();
  });
  session.kill_and_start();
  CHECK(session.get("key").substr(0, 2) == "7v");
}

TEST_CASE("S5: a Config leaves no worker behind") {
  Session session({"--mode", "snapshot"});
  const std::string tasks = "/proc/" + std::to_string(session.server().pid()) + "/task";
  const auto count = [&] { return std::distance(std::filesystem::directory_iterator(tasks), {}); };
  for (int i = 1; i <= 5; ++i) session.config(SNAPSHOT, i, 5);
  const auto before = count();
  for (int i = 1; i <= 100; ++i) session.config(SNAPSHOT, i, 5);
  CHECK(count() <= before + 2);  // gRPC keeps a small pool of its own
}

// Opens grpc.health.v1.Health/Watch and reads its first answer.
class HealthWatch {
 public:
  explicit HealthWatch(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {
    call_ = stub_.PrepareCall(&context_, "/grpc.health.v1.Health/Watch", &queue_);
    call_->StartCall(this);
    REQUIRE(next());
    const grpc::Slice empty;
    call_->Write(grpc::ByteBuffer(&empty, 1), this);
    REQUIRE(next());
    call_->Read(&answer_, this);
    REQUIRE(next());
  }
  ~HealthWatch() {
    context_.TryCancel();
    if (reading_) next();
    grpc::Status status;
    if (!finished_) {
      call_->Finish(&status, this);
      next();
    }
    queue_.Shutdown();
  }

  // Reads on until the watch ends, and gives what the server says then; nothing when it stays open past the bound.
  std::optional<grpc::Status> end_within(std::chrono::seconds bound) {
    const auto deadline = std::chrono::system_clock::now() + bound;
    for (bool more = true; more;) {
      call_->Read(&answer_, this);
      void* tag = nullptr;
      reading_ = queue_.AsyncNext(&tag, &more, deadline) == grpc::CompletionQueue::TIMEOUT;
      if (reading_) return std::nullopt;
    }
    grpc::Status status;
    call_->Finish(&status, this);
    finished_ = next();
    return status;
  }

 private:
  bool next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer answer_;
  bool reading_ = false;
  bool finished_ = false;
};

TEST_CASE("S6: an open health watch does not hold up the stop") {
  Session session({"--mode", "hybrid"});
  session.set("key", "value");
  HealthWatch watch(session.client().channel());
  session.server().signal(SIGTERM);
  // The server ends it itself: that it is gone in the end would also be true of a connection that broke.
  const auto end = watch.end_within(std::chrono::seconds(30));
  REQUIRE(end.has_value());
  CHECK(end->error_message().find("SHUTTING_DOWN") != std::string::npos);
  const auto code = session.server().exit_code_within(std::chrono::seconds(30));
  REQUIRE(code.has_value());
  CHECK(*code == 0);
  session.start();
  CHECK(session.get("key") == "value");
}

TEST_CASE("S7: an answer of all keys is bounded, and a server that refuses it goes on") {
  Session session({"--mode", "non-persistent", "--legacy-keys-max-bytes", "1MiB"});
  for (int i = 0; i < 40; ++i) session.set(std::to_string(i) + std::string(30'000, 'k'), "v");
  std::vector<std::string> keys;
  const grpc::Status status = session.client().keys(keys);
  CHECK(status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(status.error_message().find("RESPONSE_TOO_LARGE") != std::string::npos);
  session.del(std::to_string(0) + std::string(30'000, 'k'));
  for (int i = 1; i < 10; ++i) session.del(std::to_string(i) + std::string(30'000, 'k'));
  CHECK(session.keys().size() == 30);
}

}  // namespace kv
