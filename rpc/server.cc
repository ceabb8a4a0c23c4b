#include "rpc/server.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <grpc/grpc.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>

#include "absl/synchronization/mutex.h"
#include "rpc/library_stop.h"
#include "rpc/plugins.h"

namespace kv {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::chrono::milliseconds kTimeToLeave{100};
// What abandoned calls get to send their answers. Only a client that does not read, or a handler that does not end,
// uses it up; it comes on top of the stop timeout, so it is short.
constexpr std::chrono::milliseconds kTimeToAnswer{500};
// A stream whose peer does not read cannot be told of a stop; this long it may still begin to.
constexpr std::chrono::milliseconds kTimeToRead{1000};

unsigned queues_for(unsigned wanted) noexcept {
  if (wanted != 0) return wanted;
  return std::max(1u, std::thread::hardware_concurrency() / 2);  // the other half belongs to log, timers and kernel
}

// Abseil looks for lock cycles at every lock the library takes unless it was itself built for release, and Debian's was
// not: 3 to 5 % of what a call costs. For the whole process.
void skip_lock_cycle_search() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

// What the library reads is its own until a message is whole, and a unary call is not handed over before: without a
// bound, clients that stop in the middle of a message fill the memory. Beyond the quota it hangs up on idle connections
// and then cuts off streams, one after the other. (A block of 64 KiB costs the allocator 80.)
void bound_library_memory(grpc::ServerBuilder& builder, std::size_t bytes) {
  grpc::ResourceQuota quota("requests");
  quota.Resize(bytes);
  builder.SetResourceQuota(quota);
  // By itself the library grows what each stream may send unread to 4 MiB and more, and many streams then send faster
  // than it cuts off: 1 GB beside a quota of 64 MiB. A constant window keeps the bound. A message that is being read
  // has the room it needs all the same; the window is what may follow it before it is asked for.
  constexpr int kUnreadBytes = 1 << 20;
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kUnreadBytes);
}

}  // namespace

RpcServer::RpcServer(RpcServerOptions options, std::vector<RpcService*> services)
    : options_(std::move(options)),
      services_(std::move(services)),
      terms_(options_.bytes_in_flight_max, options_.message_bytes_max, options_.default_deadline),
      acceptor_(options_.connections_max) {}

RpcServer::~RpcServer() { close(); }

void RpcServer::configure(grpc::ServerBuilder& builder) const {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options_.message_bytes_max));
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);  // rpc/unpacked_message.h does it
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.streams_per_connection_max);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, options_.channelz ? 1 : 0);  // it counts every call
  // A ping that is a little early is forgiven: timers of clients are not exact.
  constexpr auto kEarly = std::chrono::seconds(1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             static_cast<int>((options_.ping_interval_min - kEarly).count()));
  if (options_.connection_age_max.count() == 0) return;
  // The library makes it a tenth more or less, so that clients that came together do not come back together.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, static_cast<int>(options_.connection_age_max.count()));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                             static_cast<int>(options_.connection_age_grace.count()));
}

absl::Status RpcServer::build() {
  skip_lock_cycle_search();
  const LibraryServices library{options_.reflection, options_.channelz};
  prepare_library_services(library);
  grpc::ServerBuilder builder;
  choose_library_services(builder, library);
  configure(builder);
  bound_library_memory(builder, library_bytes_max());

  using Experimental = grpc::ServerBuilder::experimental_type;
  connections_ = builder.experimental().AddExternalConnectionAcceptor(Experimental::ExternalConnectionType::FROM_FD,
                                                                      grpc::InsecureServerCredentials());
  builder.RegisterService(&health_.grpc_service());
  for (RpcService* service : services_) builder.RegisterService(&service->grpc_service());
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (unsigned i = 0; i < queues_for(options_.queues); ++i) queues.push_back(builder.AddCompletionQueue());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::UnavailableError("the server could not be built");
  for (auto& queue : queues) reactors_.push_back(std::make_unique<Reactor>(std::move(queue), options_.bounds, terms_));
  return absl::OkStatus();
}

void RpcServer::take(int connection) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.fd = connection;
  connections_->HandleNewConnection(&parameters);
}

absl::Status RpcServer::start() {
  if (absl::Status listening = acceptor_.listen(options_.listen); !listening.ok()) return listening;
  if (absl::Status built = build(); !built.ok()) return built;
  for (const auto& reactor : reactors_) {
    reactor->tell_slow_calls_to(options_.slow_calls);
    health_.listen(*reactor);
    for (RpcService* service : services_) service->listen(*reactor);
  }
  for (const auto& reactor : reactors_) reactor->start(options_.threads_per_queue);
  acceptor_.start([this](int connection) { take(connection); });
  return absl::OkStatus();
}

std::size_t RpcServer::library_bytes_max() const noexcept {
  constexpr std::size_t kMessages = 8;  // of the largest size: a small server has to take those, too
  return std::max(options_.bytes_in_flight_max, kMessages * options_.message_bytes_max);
}

bool RpcServer::wait_for_calls_until(SteadyTime deadline) {
  return std::all_of(reactors_.begin(), reactors_.end(),
                     [&](const auto& reactor) { return reactor->gate().wait_empty_until(deadline); });
}

std::vector<Reactor*> RpcServer::reactors() const {
  std::vector<Reactor*> all;
  for (const auto& reactor : reactors_) all.push_back(reactor.get());
  return all;
}

std::vector<MethodTotals> RpcServer::totals() const {
  std::vector<MethodTotals> totals;
  for (const auto& reactor : reactors_) reactor->counts().add_to(totals);
  return totals;
}

StageCounts::Totals RpcServer::stage_totals() const {
  StageCounts::Totals totals;
  for (const auto& reactor : reactors_) reactor->counts().stages().add_to(totals);
  return totals;
}

std::vector<PollerTime> RpcServer::poller_times() const {
  std::vector<PollerTime> times;
  for (const auto& reactor : reactors_) times.push_back(reactor->poller_time());
  return times;
}

std::size_t RpcServer::calls_in_flight() const {
  std::size_t calls = 0;
  for (const auto& reactor : reactors_) calls += reactor->gate().calls();
  return calls;
}

void RpcServer::drain(SteadyTime deadline, const std::function<void()>& abandon) {
  if (server_ == nullptr || std::exchange(drained_, true)) return;
  health_.stop();
  // 0. The library does not look whether it is being stopped when it is given a connection.
  acceptor_.stop();
  {
    // 1. No call is accepted any more, every client is told to hang up, and no connection is closed while it has calls.
    const SteadyTime begin = std::chrono::steady_clock::now();
    LibraryStop stop(*server_->c_server());
    // 2. A poller that was just handing over a call, or listening for the next one, may not know of 1 yet.
    for (const auto& reactor : reactors_) reactor->begin_round();
    // 3. Streams end at their next message, and those that wait for somebody to read are cut off.
    for (const auto& reactor : reactors_) reactor->streams().stop();
    if (!wait_for_calls_until(std::min(deadline, begin + kTimeToRead))) {
      for (const auto& reactor : reactors_) reactor->streams().cut_off_stuck();
    }
    // 4. The calls are answered, or nobody waits for them any longer: then they say so, and their answers leave before
    // the connections do. A caller that is cut off first knows less than it could.
    if (!wait_for_calls_until(deadline) && abandon) {
      abandon();
      wait_for_calls_until(std::chrono::steady_clock::now() + kTimeToAnswer);
    }
    // 5. Busy clients hang up. An idle one may not look for seconds, and the library would wait for it: it is cut off,
    // but never while a thread may still be handing over a call of before (docs/decisions.md, "A call that comes while
    // the server stops").
    const bool left = stop.wait_until(begin + kTimeToLeave);
    for (const auto& reactor : reactors_) reactor->wait_for_round();
    if (!left) grpc_server_cancel_all_calls(server_->c_server());
  }
  server_->Shutdown();
  for (const auto& reactor : reactors_) reactor->gate().wait_empty();
}

void RpcServer::close() {
  drain(std::chrono::steady_clock::now());
  for (const auto& reactor : reactors_) reactor->stop();
}

}  // namespace kv
