#include "tests/crash/workload.h"

#include <optional>

#include <fmt/format.h>
#include <grpcpp/create_channel.h>

namespace kv::crash {
namespace {

constexpr std::uint64_t kKeysOfAWriter = 40;
constexpr std::uint64_t kSharedKeys = 6;

std::uint64_t below(std::mt19937_64& random, std::uint64_t bound) { return random() % bound; }

std::size_t pick_size(bool large_values, std::mt19937_64& random) {
  const std::uint64_t dice = below(random, large_values ? 100 : 93);
  if (dice < 75) return 60 + below(random, 500);
  if (dice < 93) return (1 << 10) + below(random, 16 << 10);
  return (64 << 10) + below(random, (1 << 20) - (64 << 10));
}

// By the writer's place, not its id: a key is met again cycle after cycle.
std::string pick_key(unsigned lane, std::mt19937_64& random) {
  if (below(random, 12) == 0) return fmt::format("shared/{}", below(random, kSharedKeys));
  return fmt::format("lane {}/key {}", lane, below(random, kKeysOfAWriter));
}

void set_deadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
}

std::optional<std::string> trailer_of(const grpc::ClientContext& context, const char* name) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find(name);
  if (found == trailers.end()) return std::nullopt;
  return std::string(found->second.data(), found->second.size());
}

// 0 when the answer names none.
std::uint64_t revision_of(const grpc::ClientContext& context) {
  return std::stoull(trailer_of(context, "kvstore-revision").value_or("0"));
}

// Whether the answer says that the write survives a kill.
bool is_promised(const grpc::ClientContext& context) {
  const auto level = trailer_of(context, "kvstore-durability");
  return level == "os" || level == "disk";
}

}  // namespace

std::shared_ptr<grpc::Channel> connect(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // A write that is sent twice has no single outcome.
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
  auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  // The library looks at connect()'s errno after calls that may have changed it (tcp_client_posix.cc of 1.51), and so
  // gives up a connection that is on its way, once in a hundred times on a quick machine. It makes another; a call that
  // is sent before that fails with the server alive. Who connects to a server that is gone hears it from the first
  // call.
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  return channel;
}

Workload::Workload(History& history, const Options& options) : history_(history) {
  for (unsigned lane = 0; lane < options.writers; ++lane) {
    threads_.emplace_back([this, options, lane] { run(options, lane); });
  }
}

void Workload::run(const Options& options, unsigned lane) {
  const auto stub = kvstore::KeyValueStore::NewStub(connect(options.target));
  const std::uint32_t writer = options.first_writer + lane;
  std::mt19937_64 random(options.seed * 1000 + writer);
  for (std::uint64_t counter = 1; !stopping_; ++counter) {
    const std::string key = pick_key(lane, random);
    const grpc::Status status = call(*stub, key, {writer, counter}, options.large_values, random);
    if (status.ok()) {
      ++acknowledged_;
      progress_.notify_one();
      continue;
    }
    ++open_;
    if (dying_) return;
    note(fmt::format("a write of {} failed with the server alive: {} {}", key, static_cast<int>(status.error_code()),
                     status.error_message()));
    return;
  }
}

Workload::~Workload() { stop(); }

grpc::Status Workload::call(kvstore::KeyValueStore::Stub& stub, const std::string& key, WriteId id, bool large_values,
                            std::mt19937_64& random) {
  grpc::ClientContext context;
  set_deadline(context);
  context.AddMetadata("kvstore-want-trailers", "1");
  if (below(random, 7) == 0) {
    kvstore::DelRequest request;
    request.set_key(key);
    kvstore::DelResponse response;
    const History::Intent intent = history_.begin_delete(key);
    grpc::Status status = stub.Del(&context, request, &response);
    if (status.ok()) acknowledge(intent, context, response.success());
    return status;
  }
  kvstore::SetRequest request;
  request.set_key(key);
  request.set_value(make_value(key, id, pick_size(large_values, random)));
  google::protobuf::Empty response;
  const History::Intent intent = history_.begin_set(key, id);
  grpc::Status status = stub.Set(&context, request, &response);
  if (status.ok()) acknowledge(intent, context, true);
  return status;
}

void Workload::acknowledge(const History::Intent& intent, const grpc::ClientContext& context, bool changed) {
  const std::uint64_t revision = revision_of(context);
  if (changed && revision == 0) note(fmt::format("the answer to a write of {} names no revision", intent.key));
  note(history_.acknowledge(intent, changed ? revision : 0));
  if (changed && is_promised(context)) history_.promise(revision);
}

void Workload::note(std::string finding) {
  if (finding.empty()) return;
  std::lock_guard lock(mutex_);
  findings_.push_back(std::move(finding));
  progress_.notify_one();
}

bool Workload::wait_for_acknowledged(std::uint64_t count, std::chrono::seconds bound) {
  std::unique_lock lock(mutex_);
  progress_.wait_for(lock, bound, [&] { return acknowledged_ >= count || !findings_.empty(); });
  return acknowledged_ >= count;
}

void Workload::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::vector<std::string> Workload::findings() const {
  std::lock_guard lock(mutex_);
  return findings_;
}

}  // namespace kv::crash
