#include "echo_service.h"

#include <thread>

#include "core/error.h"

namespace kv {

void EchoService::listen(Reactor& reactor) {
  serve_unary<kvstore::GetRequest, kvstore::GetResponse>(
      reactor, "kvstore.KeyValueStore/Get", raw_, &Raw::RequestGet,
      [this](Call& call, kvstore::GetRequest& request) { return get(call, request); });
  serve_unary<kvstore::SetRequest, google::protobuf::Empty>(
      reactor, "kvstore.KeyValueStore/Set", raw_, &Raw::RequestSet,
      [this](Call& call, kvstore::SetRequest& request) -> Answer<google::protobuf::Empty> {
        if (request.key() == "watch") return watch(call);
        return set(call, request);
      });
  serve_unary<kvstore::DelRequest, kvstore::DelResponse>(
      reactor, "kvstore.KeyValueStore/Del", raw_, &Raw::RequestDel,
      [](Call&, kvstore::DelRequest& request) -> Answer<kvstore::DelResponse> {
        return error(Reason::kKeyTooLarge, "the key is too large", {{"limit", "64"}, {"key", request.key()}});
      });
}

Answer<kvstore::GetResponse> EchoService::get(Call& call, kvstore::GetRequest& request) {
  ++handled;
  during_get();
  kvstore::GetResponse response;
  response.set_value("value of " + request.key());
  if (const auto asked = call.metadata("echo")) call.add_trailer("echoed", std::string(*asked));
  return response;
}

namespace {

// Completed when the call is over, by way of home.
class EndOfCall final : public CallWatcher {
 public:
  EndOfCall(Call& call, Completion& told, const Hook& while_told) : call_(call), told_(told), while_told_(while_told) {}
  void call_over() noexcept override {
    call_.home().post(told_);
    while_told_();
    done = true;
  }

  std::atomic<bool> done{false};

 private:
  Call& call_;
  Completion& told_;
  const Hook& while_told_;
};

}  // namespace

Task<absl::StatusOr<google::protobuf::Empty>> EchoService::watch(Call& call) {
  ++handled;
  std::optional<EndOfCall> end;
  co_await OnCompletion([&](Completion& told) {
    end.emplace(call, told, while_told);
    if (call.watch(*end)) {
      ++watching;
      return;
    }
    end->done = true;
    call.home().post(told);
  });
  call.unwatch(*end);
  if (!end->done) forgotten_while_told = true;
  while (!end->done) std::this_thread::yield();  // it lies in this frame
  const absl::Status wanted = call.still_wanted();
  const std::lock_guard lock(mutex_);
  set_wanted_ = reason_of(wanted);
  co_return wanted;
}

Task<absl::StatusOr<google::protobuf::Empty>> EchoService::set(Call& call, kvstore::SetRequest& request) {
  ++handled;
  absl::Status wanted;
  do {  // A key "again" waits until nobody wants the answer any more.
    co_await lot.park(call.home());
    wanted = call.still_wanted();
  } while (wanted.ok() && request.key() == "again");
  during_set();
  {
    const std::lock_guard lock(mutex_);
    set_wanted_ = reason_of(wanted);
  }
  if (!wanted.ok()) co_return wanted;
  co_return google::protobuf::Empty();
}

std::string EchoService::set_wanted() const {
  const std::lock_guard lock(mutex_);
  return set_wanted_;
}

}  // namespace kv
