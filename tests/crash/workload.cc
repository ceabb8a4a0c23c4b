#include "tests/crash/workload.h"

#include <optional>

#include <fmt/format.h>
#include <grpcpp/create_channel.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"

namespace kv::crash {

namespace v1 = kvstore::v1;

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

bool is_promised(const v1::WriteResult& write) {
  return write.durability() == v1::DURABILITY_OS || write.durability() == v1::DURABILITY_DISK;
}

// In the years 2100 to 2131: nothing falls due, and each has milliseconds of its own.
std::int64_t pick_expiry(std::mt19937_64& random) {
  return 4'102'444'800'000 + static_cast<std::int64_t>(below(random, 1'000'000'000'000));
}

void fill(v1::SetRequest& request, const std::string& key, std::string value, std::int64_t expire_at) {
  request.set_key(key);
  request.set_value(std::move(value));
  if (expire_at == 0) return;
  request.mutable_expiry()->mutable_at()->set_seconds(expire_at / 1000);
  request.mutable_expiry()->mutable_at()->set_nanos(static_cast<int>(expire_at % 1000 * 1'000'000));
}

}  // namespace

struct Workload::Stubs {
  std::unique_ptr<kvstore::KeyValueStore::Stub> old;
  std::unique_ptr<v1::KeyValueService::Stub> keys;
};

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
  const auto channel = connect(options.target);
  Stubs stubs{kvstore::KeyValueStore::NewStub(channel), v1::KeyValueService::NewStub(channel)};
  const std::uint32_t writer = options.first_writer + lane;
  std::mt19937_64 random(options.seed * 1000 + writer);
  for (std::uint64_t counter = 1; !stopping_; ++counter) {
    const std::string key = pick_key(lane, random);
    const grpc::Status status = call(stubs, key, {writer, counter}, options, lane, random);
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

grpc::Status Workload::call(Stubs& stubs, const std::string& key, WriteId id, const Options& options, unsigned lane,
                            std::mt19937_64& random) {
  const std::uint64_t dice = below(random, 14);
  if (dice < 2) return erase(stubs, key);
  const std::size_t size = pick_size(options.large_values, random);
  if (dice < 4) return set_until(stubs, key, id, size, pick_expiry(random));
  if (dice >= 6) return set(stubs, key, id, size);
  std::string other = key;
  while (other == key) other = pick_key(lane, random);
  // Half as large, so that both fit where one of them would have.
  return set_both(stubs, key, other, id, size / 2, dice < 5 ? pick_expiry(random) : 0);
}

grpc::Status Workload::erase(Stubs& stubs, const std::string& key) {
  grpc::ClientContext context;
  set_deadline(context);
  context.AddMetadata("kvstore-want-trailers", "1");
  kvstore::DelRequest request;
  request.set_key(key);
  kvstore::DelResponse response;
  const History::Intent intent = history_.begin_delete(key);
  grpc::Status status = stubs.old->Del(&context, request, &response);
  if (status.ok()) acknowledge(intent, context, response.success());
  return status;
}

grpc::Status Workload::set(Stubs& stubs, const std::string& key, WriteId id, std::size_t size) {
  grpc::ClientContext context;
  set_deadline(context);
  context.AddMetadata("kvstore-want-trailers", "1");
  kvstore::SetRequest request;
  request.set_key(key);
  request.set_value(make_value(key, id, size));
  google::protobuf::Empty response;
  const History::Intent intent = history_.begin_set(key, id);
  grpc::Status status = stubs.old->Set(&context, request, &response);
  if (status.ok()) acknowledge(intent, context, true);
  return status;
}

grpc::Status Workload::set_until(Stubs& stubs, const std::string& key, WriteId id, std::size_t size,
                                 std::int64_t expire_at) {
  grpc::ClientContext context;
  set_deadline(context);
  v1::SetRequest request;
  fill(request, key, make_value(key, id, size, expire_at), expire_at);
  v1::SetResponse response;
  const History::Intent intent = history_.begin_set(key, id);
  grpc::Status status = stubs.keys->Set(&context, request, &response);
  if (!status.ok()) return status;
  note(history_.acknowledge(intent, response.write().revision()));
  if (is_promised(response.write())) history_.promise(response.write().revision());
  return status;
}

grpc::Status Workload::set_both(Stubs& stubs, const std::string& first, const std::string& second, WriteId id,
                                std::size_t size, std::int64_t expire_at) {
  grpc::ClientContext context;
  set_deadline(context);
  v1::TransactRequest request;
  fill(*request.add_then()->mutable_set(), first, make_value(first, id, size, expire_at), expire_at);
  fill(*request.add_then()->mutable_set(), second, make_value(second, id, size), 0);
  v1::TransactResponse response;
  const auto both = history_.begin_pair(first, second, id);
  grpc::Status status = stubs.keys->Transact(&context, request, &response);
  if (!status.ok()) return status;
  note(history_.acknowledge(both, response.write().revision()));
  if (is_promised(response.write())) history_.promise(response.write().revision());
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
