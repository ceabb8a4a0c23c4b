#include "bench/unary_load.h"

#include <memory>
#include <vector>

#include <fmt/format.h>
#include <grpcpp/create_channel.h>

#include "bench/process_cpu.h"
#include "core/absl_text.h"
#include "kvstore/kvstore.grpc.pb.h"

namespace kv {
namespace {

using Clock = std::chrono::steady_clock;
using Stub = kvstore::KeyValueStore::Stub;

constexpr auto kConnectTimeout = std::chrono::seconds(5);

std::string key_of(int number) { return fmt::format("key:{:08}", number); }

struct Connection {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Stub> stub;
};

absl::StatusOr<std::vector<Connection>> connect(const UnaryLoadOptions& options) {
  std::vector<Connection> connections;
  for (int i = 0; i < options.channels; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else equal channels share one connection
    Connection made;
    made.channel = grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), arguments);
    if (!made.channel->WaitForConnected(std::chrono::system_clock::now() + kConnectTimeout)) {
      return absl::UnavailableError(to_absl(fmt::format("cannot reach {}", options.target)));
    }
    made.stub = kvstore::KeyValueStore::NewStub(made.channel);
    connections.push_back(std::move(made));
  }
  return connections;
}

// One call at a time, over and over.
class Caller {
 public:
  Caller(Stub& stub, grpc::CompletionQueue& queue, const UnaryLoadOptions& options) : stub_(stub), queue_(queue) {
    set_request_.set_value(std::string(options.value_bytes, 'v'));
  }

  void start(LoadMethod method, int key) {
    context_.emplace();
    method_ = method;
    started_ = Clock::now();
    if (method == LoadMethod::kGet) {
      get_request_.set_key(key_of(key));
      get_ = stub_.AsyncGet(&*context_, get_request_, &queue_);
      get_->Finish(&get_response_, &status_, this);
    } else {
      set_request_.set_key(key_of(key));
      set_ = stub_.AsyncSet(&*context_, set_request_, &queue_);
      set_->Finish(&set_response_, &status_, this);
    }
  }

  bool ok() const { return status_.ok(); }
  std::chrono::nanoseconds took(Clock::time_point now) const { return now - started_; }

 private:
  Stub& stub_;
  grpc::CompletionQueue& queue_;
  LoadMethod method_ = LoadMethod::kGet;
  Clock::time_point started_;
  std::optional<grpc::ClientContext> context_;
  grpc::Status status_;
  kvstore::GetRequest get_request_;
  kvstore::GetResponse get_response_;
  kvstore::SetRequest set_request_;
  google::protobuf::Empty set_response_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<kvstore::GetResponse>> get_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<google::protobuf::Empty>> set_;
};

class Loop {
 public:
  Loop(const UnaryLoadOptions& options, std::vector<Connection> connections)
      : options_(options), connections_(std::move(connections)) {
    for (int i = 0; i < options.in_flight; ++i) {
      Stub& stub = *connections_[static_cast<std::size_t>(i) % connections_.size()].stub;
      callers_.push_back(std::make_unique<Caller>(stub, queue_, options));
    }
  }
  ~Loop() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  // Calls until `done(now)`, then waits for the answers that are still on their way.
  template <class Done>
  void run(LoadMethod method, Done done, UnaryLoadResult& result) {
    int in_flight = 0;
    for (auto& caller : callers_) {
      caller->start(method, next_key());
      ++in_flight;
    }
    bool stopping = false;
    void* tag = nullptr;
    bool ok = false;
    while (in_flight != 0 && queue_.Next(&tag, &ok)) {
      auto& caller = *static_cast<Caller*>(tag);
      const Clock::time_point now = Clock::now();
      if (!caller.ok()) ++result.errors;
      result.latency.add(caller.took(now));
      stopping = stopping || done(now);
      if (stopping) {
        --in_flight;
      } else {
        caller.start(method, next_key());
      }
    }
  }

 private:
  int next_key() { return key_++ % options_.keys; }

  const UnaryLoadOptions& options_;
  const std::vector<Connection> connections_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Caller>> callers_;
  int key_ = 0;
};

absl::StatusOr<std::chrono::microseconds> cpu_of(const UnaryLoadOptions& options) {
  if (!options.server_process) return std::chrono::microseconds{};
  return process_cpu(*options.server_process);
}

void run_for(Loop& loop, LoadMethod method, std::chrono::milliseconds duration, UnaryLoadResult& result) {
  const Clock::time_point begin = Clock::now();
  loop.run(
      method, [end = begin + duration](Clock::time_point now) { return now >= end; }, result);
  result.took = Clock::now() - begin;
}

}  // namespace

absl::StatusOr<UnaryLoadResult> run_unary_load(const UnaryLoadOptions& options) {
  auto connections = connect(options);
  if (!connections.ok()) return connections.status();
  Loop loop(options, *std::move(connections));

  UnaryLoadResult unmeasured;
  int set = 0;
  loop.run(
      LoadMethod::kSet, [&](Clock::time_point) { return ++set >= options.keys; }, unmeasured);
  run_for(loop, options.method, options.warm_up, unmeasured);

  UnaryLoadResult result;
  const auto cpu_before = cpu_of(options);
  if (!cpu_before.ok()) return cpu_before.status();
  run_for(loop, options.method, options.duration, result);
  const auto cpu_after = cpu_of(options);
  if (!cpu_after.ok()) return cpu_after.status();
  if (options.server_process) result.server_cpu = *cpu_after - *cpu_before;
  return result;
}

}  // namespace kv
