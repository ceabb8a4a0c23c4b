#include "rpc/health.h"

#include <chrono>
#include <string>

#include <catch2/catch.hpp>
#include <grpcpp/generic/generic_stub.h>

#include "raw_call.h"
#include "running_rpc.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kWatch[] = "/grpc.health.v1.Health/Watch";
const std::string kServing = "\x08\x01";
const std::string kNotServing = "\x08\x02";
const std::string kUnknownService = "\x08\x03";

std::string request_for(const std::string& name) {
  return name.empty() ? "" : "\x0a" + std::string(1, static_cast<char>(name.size())) + name;
}

std::uint64_t watches_ended_with(const RpcServer& server, grpc::StatusCode code) {
  for (const MethodTotals& totals : server.totals()) {
    if (totals.method == &kWatch[1]) return totals.by_code[code];
  }
  return 0;
}

// One open watch, read step by step.
class Watcher {
 public:
  Watcher(const std::shared_ptr<grpc::Channel>& channel, const std::string& name) : stub_(channel) {
    stream_ = stub_.PrepareCall(&context_, kWatch, &queue_);
    stream_->StartCall(this);
    next();
    const grpc::Slice slice(request_for(name));
    stream_->WriteLast(grpc::ByteBuffer(&slice, 1), {}, this);
    next();
  }
  ~Watcher() {
    queue_.Shutdown();
    while (next()) {
    }
  }
  // The next message, or "ended".
  std::string read() {
    grpc::ByteBuffer bytes;
    stream_->Read(&bytes, this);
    if (!next()) return "ended";
    std::vector<grpc::Slice> slices;
    REQUIRE(bytes.Dump(&slices).ok());
    std::string all;
    for (const grpc::Slice& part : slices) all.append(reinterpret_cast<const char*>(part.begin()), part.size());
    return all;
  }
  grpc::Status finish() {
    grpc::Status status;
    stream_->Finish(&status, this);
    next();
    return status;
  }
  void cancel() { context_.TryCancel(); }

 private:
  bool next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

TEST_CASE("health: a name is unknown until it is set, then tells what was set last") {
  RunningRpc rpc;
  CHECK(raw_call(rpc.channel, kCheck, "").error_code() == grpc::StatusCode::NOT_FOUND);
  rpc.server.set_health("", false);
  rpc.server.set_health("kvstore.writes", true);
  std::string answer;
  CHECK(raw_call(rpc.channel, kCheck, "", &answer).ok());
  CHECK(answer == kNotServing);
  answer.clear();
  CHECK(raw_call(rpc.channel, kCheck, request_for("kvstore.writes"), &answer).ok());
  CHECK(answer == kServing);
}

TEST_CASE("health: a request that does not parse is refused") {
  RunningRpc rpc;
  CHECK(raw_call(rpc.channel, kCheck, "\x0a\xff").error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  const std::string long_name = "\x0a\x80\x20" + std::string(4096, 'n');
  CHECK(raw_call(rpc.channel, kCheck, long_name).error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(Watcher(rpc.channel, "x").read() == kUnknownService);
}

TEST_CASE("health: a watch stays open and silent while other names change, and its own is set again as it was") {
  RunningRpc rpc;
  rpc.server.set_health("mine", true);
  Watcher watcher(rpc.channel, "mine");
  CHECK(watcher.read() == kServing);
  for (int i = 0; i < 100; ++i) {
    rpc.server.set_health("other", i % 2 == 0);
    rpc.server.set_health("mine", true);
    // A call through the same queue: what has woken the watch has been dealt with by then, and not with the last
    // change.
    CHECK(raw_call(rpc.channel, kCheck, request_for("other")).ok());
  }
  rpc.server.set_health("mine", false);
  CHECK(watcher.read() == kNotServing);
  rpc.server.set_health("mine", true);
  CHECK(watcher.read() == kServing);
}

TEST_CASE("health: a watch that is open holds nothing of its request") {
  RunningRpc rpc;
  Watcher watcher(rpc.channel, std::string(100, 'n'));
  CHECK(watcher.read() == kUnknownService);
  CHECK(rpc.server.bytes_in_flight().held() == 0);
}

TEST_CASE("health: a watch tells every change, and starts with an unknown name") {
  RunningRpc rpc;
  Watcher watcher(rpc.channel, "late");
  CHECK(watcher.read() == kUnknownService);
  rpc.server.set_health("late", false);
  CHECK(watcher.read() == kNotServing);
  rpc.server.set_health("late", true);
  CHECK(watcher.read() == kServing);
}

TEST_CASE("health: a caller that leaves its watch leaves nothing behind") {
  RunningRpc rpc;
  rpc.server.set_health("", true);
  {
    Watcher watcher(rpc.channel, "");
    CHECK(watcher.read() == kServing);
    watcher.cancel();
    CHECK(watcher.finish().error_code() == grpc::StatusCode::CANCELLED);
  }
  while (rpc.server.calls_in_flight() != 0) std::this_thread::yield();
  CHECK(watches_ended_with(rpc.server, grpc::StatusCode::CANCELLED) == 1);
  CHECK(watches_ended_with(rpc.server, grpc::StatusCode::UNAVAILABLE) == 0);
}

// ORIGINAL S6: one open watch delayed the exit until the kill.
TEST_CASE("health: an open watch is told NOT_SERVING and ended by a stop, long before its deadline") {
  RunningRpc rpc;
  rpc.server.set_health("", true);
  Watcher watcher(rpc.channel, "");
  CHECK(watcher.read() == kServing);
  bool deadline_came = false;
  rpc.server.drain(std::chrono::steady_clock::now() + 10s, [&] { deadline_came = true; });
  CHECK_FALSE(deadline_came);
  CHECK(watcher.read() == kNotServing);
  CHECK(watcher.read() == "ended");
  CHECK(watcher.finish().error_message().starts_with("SHUTTING_DOWN"));
  CHECK(watches_ended_with(rpc.server, grpc::StatusCode::UNAVAILABLE) == 1);
}

}  // namespace
}  // namespace kv
