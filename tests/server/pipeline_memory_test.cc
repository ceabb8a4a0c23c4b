// What a message of a pipeline, or a transaction, takes beside its bytes is counted among the bytes that the server
// holds, as long as it is held.
#include <deque>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "server/pipeline_call.h"
#include "server/pipeline_message.h"
#include "server/transact_request.h"
#include "tests/server/held_disk.h"
#include "tests/server/pipeline_fixture.h"
#include "tests/server/refused_memory.h"

using namespace kv;
using grpc::StatusCode;
using namespace std::chrono_literals;

namespace {

// Operations without a kind, two bytes each, and one that writes.
v1::PipelineRequest mostly_empty() {
  Message m(1);
  for (std::size_t i = 1; i < kPipelineOperationsMax; ++i) m.request.add_operations();
  return m.set("k", "v").request;
}

// A log that takes nothing more, so that whoever wants to write waits, until release().
struct FullLog {
  FullLog() {
    disk.hold(true);
    do {
      results.emplace_back();
      writes.push_back(start_task(f.engine.write(set, f.caller), results.back()));
    } while (writes.back().wait_for(0s) == std::future_status::ready);
  }
  ~FullLog() { release(); }
  void release() {
    disk.hold(false);
    for (auto& write : writes) {
      if (write.valid()) CHECK(write.get().ok());
    }
  }

  HeldDisk disk{DiskCall::kWrite};
  KeyValueFixture f{FsyncPolicy::kAlways, disk.fs, {}, "/log"};
  const std::string value = std::string(1 << 20, 'v');
  const Operation set = set_operation("large", value, kNoExpiry, Level::kMemory);
  std::deque<std::promise<absl::StatusOr<Written>>> results;
  std::vector<std::future<absl::StatusOr<Written>>> writes;
};

template <class Condition>
bool comes_true(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// The same engine, at most so many bytes. The log is released at its end.
struct NarrowServer {
  NarrowServer(FullLog& log, std::size_t bytes) : log(log), service(log.f.engine), server(options(bytes), {&service}) {
    REQUIRE(server.start().ok());
    channel = grpc::CreateChannel(server.addresses().front(), grpc::InsecureChannelCredentials());
    stub = v1::KeyValueService::NewStub(channel);
  }
  ~NarrowServer() {
    log.release();
    server.drain(std::chrono::steady_clock::now() + 5s);
    CHECK(server.bytes_in_flight().held() == 0);
    server.close();
  }
  static RpcServerOptions options(std::size_t bytes) {
    RpcServerOptions result;
    result.bytes_in_flight_max = bytes;
    return result;
  }
  std::size_t held() const { return server.bytes_in_flight().held(); }

  FullLog& log;
  KeyValueService service;
  RpcServer server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::KeyValueService::Stub> stub;
};

}  // namespace

TEST_CASE("pipeline memory: what a message says that it holds is what it holds, its errors too") {
  KeyValueFixture f;
  REQUIRE(f.set("text", "no number").ok());
  const bool fails_when_run = GENERATE(false, true);
  Message m(1);
  for (std::size_t i = 0; i < kPipelineOperationsMax; ++i) {
    if (fails_when_run) {
      m.increment("text", 1);
    } else {
      m.request.add_operations();
    }
  }
  const std::string bytes = m.request.SerializeAsString();
  PipelineMessage message(f.engine);
  const HeldMemory held;
  REQUIRE(message.read(bytes).ok());
  REQUIRE(run_task(message.run(f.caller)).ok());
  CAPTURE(fails_when_run, held.peak(), message.held_bytes());
  CHECK(message.held_bytes() >= held.peak());
  CHECK(message.held_bytes() <= 3 * held.peak());
  // Another one begins anew.
  (void)message.answer();
  const std::string small = Message(2).get("text").request.SerializeAsString();
  REQUIRE(message.read(small).ok());
  CHECK(message.held_bytes() < 8192);
}

TEST_CASE("pipeline memory: the room that results need while a message waits in its middle is counted") {
  KeyValueFixture f;
  REQUIRE(f.set("k", std::string(200, 'v')).ok());
  PipelineMessage message(f.engine);
  Message m(1);
  for (int i = 0; i < 800; ++i) m.get("k");
  const std::string bytes = m.request.SerializeAsString();
  REQUIRE(message.read(bytes).ok());
  const std::size_t before = message.held_bytes();
  REQUIRE(run_task(message.run(f.caller)).ok());
  CHECK(message.held_bytes() + (64 << 10) >= before + 800 * 200);
}

TEST_CASE("pipeline memory: what waits for the log fills the bound, and the next stream's message is refused") {
  FullLog log;
  NarrowServer narrow(log, 1 << 20);
  PipelineStream waits(*narrow.stub);
  const v1::PipelineRequest request = mostly_empty();
  CHECK(request.ByteSizeLong() < 9000);
  REQUIRE(waits.send(request));
  REQUIRE(comes_true([&] { return narrow.held() > kPipelineOperationsMax * sizeof(BatchItem); }));
  {
    PipelineStream refused(*narrow.stub);
    (void)refused.send(Message(1).get("k").request);  // It may be refused before that.
    CHECK_FALSE(refused.receive());
    check_refused(refused.finish(), StatusCode::RESOURCE_EXHAUSTED, "OVERLOADED");
  }
  log.release();
  const auto answer = waits.receive();
  REQUIRE(answer);
  CHECK(answer->results_size() == request.operations_size());
  CHECK(answer->results(request.operations_size() - 1).has_set());
  CHECK(comes_true([&] { return narrow.held() == 0; }));
}

TEST_CASE("pipeline memory: an answer that waits for the disk counts with what is kept to replace its results") {
  HeldDisk disk;
  KeyValueFixture f(FsyncPolicy::kAlways, disk.fs, {}, "/log");
  PipelineStream stream(*f.stub);
  Message m(1);
  for (std::size_t i = 0; i < kPipelineOperationsMax; ++i) m.get("k");
  m.request.mutable_operations()->RemoveLast();
  m.set("k", "v");
  disk.hold(true);
  REQUIRE(stream.send(m.request));
  // Answered behind it, and sent before it; of what it took nothing else is held now.
  const auto behind = stream.call(Message(2).get("other").request);
  CHECK(behind.id() == 2);
  const std::size_t kept = kPipelineOperationsMax * sizeof(WaitingAnswer::Result);
  CHECK(comes_true([&] {
    const std::size_t held = f.server.bytes_in_flight().held();
    return held >= kept && held < kept + (64 << 10);
  }));
  disk.hold(false);
  const auto answer = stream.receive();
  REQUIRE(answer);
  CHECK(answer->id() == 1);
  CHECK(comes_true([&] { return f.server.bytes_in_flight().held() == 0; }));
}

TEST_CASE("pipeline memory: a transaction that waits for the log counts with its operations") {
  FullLog log;
  NarrowServer narrow(log, 128 << 10);
  v1::TransactRequest request;
  for (std::size_t i = 0; i < kTransactionOperationsMax; ++i) request.add_then()->mutable_set()->set_key("k");
  auto waits = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    v1::TransactResponse response;
    return narrow.stub->Transact(&context, request, &response);
  });
  CHECK(comes_true([&] { return narrow.held() >= kTransactionOperationsMax * sizeof(Operation); }));
  grpc::ClientContext context;
  v1::GetRequest get;
  get.set_key("k");
  v1::GetResponse response;
  check_refused(narrow.stub->Get(&context, get, &response), StatusCode::RESOURCE_EXHAUSTED, "OVERLOADED");
  log.release();
  CHECK(waits.get().ok());
}

TEST_CASE("pipeline memory: what a transaction says that it takes is what its request takes") {
  v1::TransactRequest request;
  for (std::size_t i = 0; i < kTransactionOperationsMax; ++i) {
    request.add_then()->mutable_set()->set_key("k");
    request.add_comparisons()->set_key("k");
    request.mutable_comparisons(static_cast<int>(i))->mutable_precondition()->set_exists(true);
  }
  const std::string bytes = request.SerializeAsString();
  Store store({.shard_count = 8});
  TransactionRequest read;
  absl::Status judged;
  const HeldMemory held;
  REQUIRE(read_transaction(bytes, read, judged));
  REQUIRE(judged.ok());
  const Transaction transaction(store, read);
  CAPTURE(held.peak(), read.memory_bytes());
  CHECK(read.memory_bytes() >= held.peak() * 9 / 10);
  CHECK(read.memory_bytes() <= 2 * held.peak());
}
