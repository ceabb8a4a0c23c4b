#include <chrono>
#include <cstdint>
#include <future>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <grpcpp/create_channel.h>

#include "core/error.h"
#include "raw_call.h"
#include "rpc/server.h"
#include "rpc/server_stream.h"
#include "running_rpc.h"
#include "stream_service.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

using Reader = std::unique_ptr<grpc::ClientReader<kvstore::GetResponse>>;

struct RunningStreams {
  explicit RunningStreams(RpcServerOptions options = small_options()) : server(std::move(options), {&service, &echo}) {
    REQUIRE(server.start().ok());
    channel = connect();
  }
  ~RunningStreams() {
    service.lot.abandon();
    server.drain(std::chrono::steady_clock::now());
    server.close();
  }

  std::shared_ptr<grpc::Channel> connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server.addresses().front(), grpc::InsecureChannelCredentials(), arguments);
  }
  Reader open(grpc::ClientContext& context, const std::string& key) {
    return StreamService::open(*channel, context, key);
  }
  // Something else is served meanwhile, on the same connection.
  void exchange_unary_calls(int calls) {
    for (int i = 0; i < calls; ++i) REQUIRE(raw_call(channel, "/kvstore.KeyValueStore/Get", "").ok());
  }
  std::uint64_t ended_with(grpc::StatusCode code) const {
    for (const MethodTotals& totals : server.totals()) {
      if (totals.method == "test.Streams/Count") return totals.by_code[code];
    }
    return 0;
  }

  StreamService service;
  EchoService echo;
  RpcServer server;
  std::shared_ptr<grpc::Channel> channel;
};

// Reads to the end: how many messages came, which must be numbered in order.
int read_all(grpc::ClientReader<kvstore::GetResponse>& reader) {
  kvstore::GetResponse message;
  int count = 0;
  while (reader.Read(&message)) {
    REQUIRE(message.value().starts_with(std::to_string(count) + " "));
    ++count;
  }
  return count;
}

TEST_CASE("stream: every message arrives in order, then the status and the trailers") {
  RunningStreams rpc;
  grpc::ClientContext context;
  const Reader reader = rpc.open(context, "100 1000");
  CHECK(read_all(*reader) == 100);
  CHECK(reader->Finish().ok());
  CHECK(context.GetServerTrailingMetadata().count("messages") == 1);
  CHECK(rpc.ended_with(grpc::StatusCode::OK) == 1);
}

TEST_CASE("stream: a stream without messages is only its status") {
  RunningStreams rpc;
  grpc::ClientContext context;
  const Reader reader = rpc.open(context, "0 0");
  CHECK(read_all(*reader) == 0);
  CHECK(reader->Finish().ok());
}

TEST_CASE("stream: the handler's error comes behind what was sent, with its reason word") {
  RunningStreams rpc;
  grpc::ClientContext context;
  const Reader reader = rpc.open(context, "fail 3 10");
  CHECK(read_all(*reader) == 3);
  const grpc::Status status = reader->Finish();
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(status.error_message().starts_with("KEY_TOO_LARGE"));
}

TEST_CASE("stream: bytes that are no message are refused as MESSAGE_INVALID") {
  RunningStreams rpc;
  const grpc::Status status = raw_call(rpc.channel, "/test.Streams/Count", "\x0a\xff");
  CHECK(status.error_message() == "MESSAGE_INVALID: the bytes are not a kvstore.GetRequest");
  CHECK(rpc.service.ended == 0);
}

TEST_CASE("stream: one that waits keeps no other call out, and goes on when it is let go") {
  RunningStreams rpc;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<Reader> readers;
  for (int i = 0; i < 20; ++i) {  // more than calls are posted
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(rpc.open(*contexts.back(), "park 1 10"));
  }
  REQUIRE(rpc.service.lot.wait_for_parked(20));
  rpc.exchange_unary_calls(3);
  rpc.service.lot.release();
  for (const Reader& reader : readers) {
    CHECK(read_all(*reader) == 1);
    CHECK(reader->Finish().ok());
  }
}

TEST_CASE("stream: a reader that does not read holds back the sender, others are served, and nothing is lost") {
  RunningStreams rpc;
  grpc::ClientContext context;
  const Reader reader = rpc.open(context, "64 1000000");
  rpc.exchange_unary_calls(300);
  CHECK(rpc.service.sent < 16);  // what windows and sockets hold; without bounds it would be all of them long ago
  CHECK(read_all(*reader) == 64);
  CHECK(reader->Finish().ok());
}

TEST_CASE("stream: a deadline that passes while nobody reads ends the handler") {
  RunningStreams rpc;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 100ms);
  const Reader reader = rpc.open(context, "1000000 1000000");
  while (rpc.service.ended == 0) std::this_thread::yield();
  CHECK(rpc.service.sent < 100);
  kvstore::GetResponse message;
  while (reader->Read(&message)) {
  }
  CHECK(reader->Finish().error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_CASE("stream: a caller that leaves ends the handler, whether it reads or not") {
  RunningStreams rpc;
  const bool reads = GENERATE(true, false);
  grpc::ClientContext context;
  const Reader reader = rpc.open(context, "1000000000 1000");
  kvstore::GetResponse message;
  for (int i = 0; i < 10 && reads; ++i) REQUIRE(reader->Read(&message));
  while (rpc.service.sent == 0) std::this_thread::yield();
  context.TryCancel();
  while (rpc.service.ended == 0) std::this_thread::yield();
  CHECK(rpc.service.last_end() == word(Reason::kCancelledInQueue));
  while (reader->Read(&message)) {
  }
  CHECK(reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
  while (rpc.server.calls_in_flight() != 0) std::this_thread::yield();
}

TEST_CASE("stream: a stop ends a stream at its next message, long before the deadline") {
  RunningStreams rpc;
  grpc::ClientContext context;
  const Reader reader = rpc.open(context, "1000000000 1000");
  auto status = std::async(std::launch::async, [&] {
    kvstore::GetResponse message;
    while (reader->Read(&message)) {
    }
    return reader->Finish();
  });
  while (rpc.service.sent == 0) std::this_thread::yield();
  bool deadline_came = false;
  rpc.server.drain(std::chrono::steady_clock::now() + 20s, [&] { deadline_came = true; });
  CHECK_FALSE(deadline_came);
  CHECK(status.get().error_message().starts_with("SHUTTING_DOWN"));
}

TEST_CASE("stream: a stop cuts off a stream whose caller does not read, and leaves alone one that waits for us") {
  RunningStreams rpc;
  grpc::ClientContext context, other_context;
  const Reader reader = rpc.open(context, "1000000000 1000000");
  const Reader other = rpc.open(other_context, "park 1 10");
  REQUIRE(rpc.service.lot.wait_for_parked(1));
  // Until its caller's window is full it could still send one: that is when a whole round of other calls sees none
  // sent.
  std::uint64_t sent = UINT64_MAX;
  while (sent != rpc.service.sent) {
    sent = rpc.service.sent;
    rpc.exchange_unary_calls(300);
  }
  std::atomic<bool> deadline_came{false};
  auto drained = std::async(std::launch::async, [&] {
    rpc.server.drain(std::chrono::steady_clock::now() + 20s, [&] { deadline_came = true; });
  });
  while (rpc.service.ended == 0) std::this_thread::yield();
  CHECK(rpc.service.last_end() == word(Reason::kCancelledInQueue));
  rpc.service.lot.release();
  CHECK(read_all(*other) == 0);
  CHECK(other->Finish().error_message().starts_with("SHUTTING_DOWN"));
  drained.get();
  CHECK_FALSE(deadline_came);
}

// ---- The stop test: any order of events.

// A caller that opens one stream after the other, reads some of it or none, and leaves, waits or reads on.
void call_until_stopped(RunningStreams& rpc, unsigned seed, std::atomic<int>& opened,
                        const std::atomic<bool>& stopping) {
  std::mt19937 random(seed);
  const auto channel = rpc.connect();
  while (!stopping) {
    grpc::ClientContext context;
    if (random() % 4 == 0)
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(random() % 20));
    const char* const keys[] = {"1000000000 100", "1000000000 100000", "park 3 10", "5 1000"};
    const Reader reader = StreamService::open(*channel, context, keys[random() % std::size(keys)]);
    ++opened;
    kvstore::GetResponse message;
    for (auto reads = random() % 50; reads > 0 && reader->Read(&message); --reads) {
    }
    context.TryCancel();
    while (reader->Read(&message)) {
    }
    (void)reader->Finish();
  }
}

TEST_CASE("stream: the server stops cleanly with streams in any state, with and without patience") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int cycle = 0; cycle < 20; ++cycle) {
    RpcServerOptions options = small_options();
    options.queues = 1 + random() % 2;
    RunningStreams rpc(options);
    std::thread releaser([&lot = rpc.service.lot] {
      while (lot.wait_for_parked(1)) lot.release();
    });
    std::atomic<bool> stopping{false};
    std::atomic<int> opened{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&rpc, &opened, &stopping, own = static_cast<unsigned>(random())] {
        call_until_stopped(rpc, own, opened, stopping);
      });
    }
    const int wanted = static_cast<int>(random() % 60);
    while (opened < wanted) std::this_thread::yield();
    const auto patience = random() % 2 == 0 ? 0ms : 10000ms;
    rpc.server.drain(std::chrono::steady_clock::now() + patience, [&] { rpc.service.lot.abandon(); });
    REQUIRE(rpc.server.calls_in_flight() == 0);
    rpc.server.close();
    stopping = true;
    rpc.service.lot.abandon();
    for (std::thread& caller : callers) caller.join();
    releaser.join();
  }
}

}  // namespace
}  // namespace kv
