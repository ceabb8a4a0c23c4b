// The server's own deadline, for callers that set none.
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "running_rpc.h"
#include "stream_service.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

RpcServerOptions with_deadline(std::chrono::milliseconds deadline) {
  RpcServerOptions options = small_options();
  options.default_deadline = deadline;
  return options;
}

// Calls of Set that were counted as answered with DEADLINE_EXCEEDED.
[[maybe_unused]] std::uint64_t late_sets(const RunningRpc& rpc) {
  for (const MethodTotals& method : rpc.server.totals()) {
    if (method.method == "kvstore.KeyValueStore/Set") return method.by_code[grpc::StatusCode::DEADLINE_EXCEEDED];
  }
  return 0;
}

TEST_CASE("default deadline: a call that waits longer is answered without its handler, which is told when it asks") {
  RunningRpc rpc(with_deadline(50ms));
  grpc::ClientContext context;
  const grpc::Status status = rpc.set(context, "again");  // its handler is parked all the time
  CHECK(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(status.error_message() == "the server's own deadline passed; the outcome is unknown");
  CHECK(rpc.service.set_wanted().empty());
  while (rpc.service.set_wanted().empty()) rpc.service.lot.release();
  CHECK(rpc.service.set_wanted() == word(Reason::kExpiredInQueue));
  rpc.server.drain(std::chrono::steady_clock::now() + 10s);
  CHECK(rpc.server.calls_in_flight() == 0);
  CHECK(late_sets(rpc) == 1);
}

TEST_CASE("default deadline: whoever watches a call is told that it is over") {
  RunningRpc rpc(with_deadline(50ms));
  grpc::ClientContext context;
  CHECK(rpc.set(context, "watch").error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  while (rpc.service.set_wanted().empty()) std::this_thread::yield();
  CHECK(rpc.service.set_wanted() == word(Reason::kExpiredInQueue));
}

TEST_CASE("default deadline: a caller's own deadline stands, and so does a call that is answered in time") {
  RunningRpc rpc(with_deadline(100ms));
  CHECK(rpc.get("k").ok());
  auto patient = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 60s);
    return rpc.set(context, "k");
  });
  REQUIRE(rpc.service.lot.wait_for_parked(1));
  grpc::ClientContext context;
  CHECK(rpc.set(context, "again").error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);  // that long it took
  rpc.service.lot.release();
  CHECK(patient.get().ok());
  rpc.service.lot.release();
}

// Here one poller begins an answer and another sees that it is done. ThreadSanitizer does not know that gRPC hands it
// over with care, because the library is not instrumented.
#ifndef __SANITIZE_THREAD__

TEST_CASE("default deadline: whoever watches a call is told once, and not forgotten while it is being told") {
  RpcServerOptions options = with_deadline(20ms);
  options.threads_per_queue = 3;  // one tells, one sees the call's end, one resumes the handler
  RunningRpc rpc(options);
  std::promise<void> told;
  std::promise<void> go_on;
  rpc.service.while_told = [&] {
    told.set_value();
    go_on.get_future().wait();
  };
  grpc::ClientContext context;
  CHECK(rpc.set(context, "watch").error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  told.get_future().wait();
  // The timer's answer has ended the call, which is another reason to tell; it is behind these on its connection.
  for (int i = 0; i < 50; ++i) CHECK(rpc.get("k").ok());
  go_on.set_value();
  rpc.server.drain(std::chrono::steady_clock::now() + 10s);
  CHECK(rpc.server.calls_in_flight() == 0);
  CHECK_FALSE(rpc.service.forgotten_while_told);
}

// Each handler sees that the deadline has passed the moment it does, and answers at any time of the next millisecond
// and a half: before the timer, after it, and at the same time.
TEST_CASE(
    "default deadline: calls that end at the very moment it passes are answered and counted once, and none stays") {
  constexpr int kCallers = 8;
  constexpr int kCallsEach = 100;
  RpcServerOptions options = with_deadline(2ms);
  options.threads_per_queue = 2;
  RunningRpc rpc(options);
  rpc.service.during_set = [] {
    static std::atomic<unsigned> turn{0};
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(turn++ * 37 % 1500);
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
  };
  std::atomic<bool> done{false};
  std::thread releaser([&] {
    while (!done) {
      if (rpc.service.lot.release() == 0) std::this_thread::yield();
    }
  });
  std::atomic<int> by_handler{0};
  std::atomic<int> by_timer{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < kCallsEach; ++call) {
        grpc::ClientContext context;
        const grpc::Status status = rpc.set(context, "again");
        if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) continue;
        ++(status.error_message().starts_with(word(Reason::kExpiredInQueue)) ? by_handler : by_timer);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  rpc.server.drain(std::chrono::steady_clock::now() + 20s);
  done = true;
  releaser.join();
  CAPTURE(by_handler, by_timer);
  CHECK(by_handler + by_timer == kCallers * kCallsEach);
  CHECK(by_handler > 0);
  CHECK(by_timer > 0);
  CHECK(rpc.server.calls_in_flight() == 0);
  CHECK(rpc.server.bytes_in_flight().held() == 0);
  CHECK(late_sets(rpc) == kCallers * kCallsEach);
}
#endif

TEST_CASE("default deadline: a stream has none") {
  StreamService streams;
  RpcServer server(with_deadline(20ms), {&streams});
  REQUIRE(server.start().ok());
  const auto channel = grpc::CreateChannel(server.addresses().front(), grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  const auto reader = StreamService::open(*channel, context, "40 1000000");
  kvstore::GetResponse message;
  REQUIRE(reader->Read(&message));
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < 50ms) std::this_thread::yield();
  int messages = 1;
  while (reader->Read(&message)) ++messages;
  CHECK(messages == 40);
  CHECK(reader->Finish().ok());
  server.drain(std::chrono::steady_clock::now() + 10s);
  server.close();
}

}  // namespace
}  // namespace kv
