#include "bench/stub_service.h"

#include <thread>

#include "core/error.h"

namespace kv {

absl::Status StubService::behave() {
  using Clock = std::chrono::steady_clock;
  if (behaviour_.period.count() > 0) {
    const auto since = Clock::now() - behaviour_.begin;
    const auto into = since % behaviour_.period;
    if (since.count() >= 0 && into < behaviour_.pause) {
      std::this_thread::sleep_until(behaviour_.begin + since - into + behaviour_.pause);
    }
  }
  if (behaviour_.work.count() > 0) std::this_thread::sleep_for(behaviour_.work);
  ++calls_;
  const bool refused = behaviour_.refuse_every != 0 && calls_ % behaviour_.refuse_every == 0;
  return refused ? error(Reason::kOverloaded, "as programmed") : absl::OkStatus();
}

void StubService::listen(Reactor& reactor) {
  using kvstore::v1::GetRequest;
  using kvstore::v1::GetResponse;
  using kvstore::v1::SetRequest;
  using kvstore::v1::SetResponse;
  serve_unary<GetRequest, GetResponse>(reactor, "kvstore.v1.KeyValueService/Get", raw_, &Raw::RequestGet,
                                       [this](Call&, GetRequest&) -> Answer<GetResponse> {
                                         if (absl::Status failed = behave(); !failed.ok())
                                           return absl::StatusOr<GetResponse>(failed);
                                         GetResponse response;
                                         response.mutable_entry()->set_value("stub");
                                         return response;
                                       });
  serve_unary<SetRequest, SetResponse>(reactor, "kvstore.v1.KeyValueService/Set", raw_, &Raw::RequestSet,
                                       [this](Call&, SetRequest&) -> Answer<SetResponse> {
                                         if (absl::Status failed = behave(); !failed.ok())
                                           return absl::StatusOr<SetResponse>(failed);
                                         return SetResponse();
                                       });
}

}  // namespace kv
