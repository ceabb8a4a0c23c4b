#include "rpc/health.h"

#include <chrono>
#include <coroutine>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/impl/rpc_service_method.h>

#include "core/error.h"
#include "rpc/stream_call.h"

namespace kv {
namespace {

enum Method : int { kCheck = 0, kWatch = 1 };
constexpr char kCheckName[] = "/grpc.health.v1.Health/Check";
constexpr char kWatchName[] = "/grpc.health.v1.Health/Watch";

}  // namespace

// One open Watch call. Its members are guarded by the board's lock.
class HealthWatch final : public ServerStream {
 public:
  // Serves one call after the other, for ever.
  static Detached serve(Reactor& reactor, MethodCounts& counts, HealthService& board);

  HealthWatch(Reactor& reactor, HealthService& board) : ServerStream(reactor), board_(board) {}
  ~HealthWatch() {
    reactor_.streams().remove(*this);
    const std::lock_guard lock(board_.mutex_);
    board_.watches_.erase(this);
  }

  void join(std::string name) {
    const std::lock_guard lock(board_.mutex_);
    name_ = std::move(name);
    board_.watches_.insert(this);
  }

  // A last message may be told while the server stops.
  using ServerStream::write;

  // Resumes on home() with the next state to tell, or with nothing: when the watch is done(), or when what woke it is
  // over again.
  auto next() { return Next{*this}; }
  bool done() const {
    const std::lock_guard lock(board_.mutex_);
    return over() || (board_.stopping_ && !news());
  }

  // The lock is held, here and below.
  bool news() const { return told_ != board_.find(name_); }
  void wake() noexcept {
    if (std::exchange(parked_, false)) reactor_.post(resume_);
  }

 private:
  struct Next {
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      const std::lock_guard lock(watch.board_.mutex_);
      if (watch.news() || watch.ended()) return false;
      watch.resume_.waiter = waiter;
      watch.parked_ = true;
      return true;
    }
    std::optional<Health> await_resume() {
      const std::lock_guard lock(watch.board_.mutex_);
      if (!watch.news() || watch.over()) return std::nullopt;
      watch.told_ = watch.board_.find(watch.name_);
      return watch.told_;
    }
    HealthWatch& watch;
  };
  struct Resume final : Completion {
    void complete(bool) noexcept override { waiter.resume(); }
    std::coroutine_handle<> waiter;
  };

  void on_over() noexcept override {
    const std::lock_guard lock(board_.mutex_);
    wake();
  }
  bool ended() const { return over() || board_.stopping_; }

  HealthService& board_;
  std::string name_;
  std::optional<Health> told_;
  bool parked_ = false;
  Resume resume_;
};

HealthService::Methods::Methods() {
  using grpc::internal::RpcMethod;
  AddMethod(new grpc::internal::RpcServiceMethod(kCheckName, RpcMethod::NORMAL_RPC, nullptr));
  AddMethod(new grpc::internal::RpcServiceMethod(kWatchName, RpcMethod::SERVER_STREAMING, nullptr));
  MarkMethodRaw(kCheck);
  MarkMethodRaw(kWatch);
}

void HealthService::Methods::request_check(grpc::ServerContext* context, grpc::ByteBuffer* bytes,
                                           grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>* writer,
                                           grpc::CompletionQueue* call_queue, grpc::ServerCompletionQueue* queue,
                                           void* tag) {
  RequestAsyncUnary(kCheck, context, bytes, writer, call_queue, queue, tag);
}

void HealthService::Methods::request_watch(grpc::ServerContext* context, grpc::ByteBuffer* bytes,
                                           grpc::ServerAsyncWriter<grpc::ByteBuffer>* writer,
                                           grpc::CompletionQueue* call_queue, grpc::ServerCompletionQueue* queue,
                                           void* tag) {
  RequestAsyncServerStreaming(kWatch, context, bytes, writer, call_queue, queue, tag);
}

Health HealthService::find(const std::string& name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) return Health::kUnknownService;
  return stopping_ ? Health::kNotServing : found->second;
}

void HealthService::set(const std::string& name, bool serving) {
  const std::lock_guard lock(mutex_);
  names_[name] = serving ? Health::kServing : Health::kNotServing;
  for (HealthWatch* watch : watches_) {
    if (watch->news()) watch->wake();
  }
}

void HealthService::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (HealthWatch* watch : watches_) watch->wake();
}

Answer<Health> HealthService::check(const HealthRequest& request) const {
  const std::lock_guard lock(mutex_);
  const Health health = find(request.service);
  if (health == Health::kUnknownService) return absl::NotFoundError("no such service");
  return health;
}

Detached HealthWatch::serve(Reactor& reactor, MethodCounts& counts, HealthService& board) {
  HealthWatch watch(reactor, board);
  const bool accepted = co_await watch.accept(board.methods_, &HealthService::Methods::request_watch);
  if (!accepted) co_return;  // The server is stopping.
  serve(reactor, counts, board);

  absl::Status status = watch.enter(WhenFull::kServe);
  HealthRequest request;
  if (status.ok() && !parse(watch.bytes(), request)) status = unparsable(request);
  if (status.ok()) {
    watch.drop_request();  // It may be open for ever.
    watch.join(std::move(request.service));
    bool left = false;
    while (!left) {
      const std::optional<Health> health = co_await watch.next();
      if (!health && watch.done()) break;
      if (!health) continue;  // What had changed has changed back.
      grpc::ByteBuffer bytes;
      serialize(*health, bytes).IgnoreError();  // two bytes always fit
      const bool written = co_await watch.write(bytes);
      left = !written;
    }
    status = watch.still_wanted();
    if (status.ok()) {
      status = left ? error(Reason::kCancelledInQueue, "the caller left the watch")
                    : error(Reason::kShuttingDown, "the server is stopping");
    }
  }
  counts.count(status.raw_code(), std::chrono::steady_clock::now() - watch.accepted_at());
  co_await watch.finish(status);
}

Detached HealthService::serve_watch(Reactor& reactor, HealthService& board) {
  return HealthWatch::serve(reactor, reactor.counts().method(&kWatchName[1]), board);
}

void HealthService::listen(Reactor& reactor) {
  serve_unary<HealthRequest, Health>(reactor, &kCheckName[1], methods_, &Methods::request_check, CheckHandler{this});
  serve_watch(reactor, *this);
}

}  // namespace kv
