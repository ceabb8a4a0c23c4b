// The library with a real server behind a connection that loses answers: what was asked for once has happened once.
#include <catch2/catch.hpp>

#include "client/client.h"
#include "core/error.h"
#include "tests/client/cutting_proxy.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace std::chrono_literals;
namespace v1 = kvstore::v1;

namespace {

struct LossyFixture {
  TempDirectory directory;
  RunningServer server{{directory.file("data"), {"--mode", "aof", "--fsync", "never"}, {}, {}}};
  CuttingProxy proxy{server.address()};
};

CallOptions patient() { return {.timeout = 30s, .retry = {.attempts = 4, .delay = 1ms, .delay_max = 4ms}}; }

v1::IncrementRequest one_more() {
  v1::IncrementRequest request;
  request.set_key("counter");
  request.set_delta(1);
  return request;
}

}  // namespace

TEST_CASE("lost answers: writes are sent again by themselves, and each is done once") {
  LossyFixture f;
  Client client({.target = f.proxy.target()});  // as it comes
  // A client whose calls fail too often stops retrying: so there are some that do not.
  const auto cut = [&] {
    for (int i = 0; i < 12; ++i) REQUIRE(wait(client.get("good")).ok());
    f.proxy.cut_next();
  };
  for (int i = 1; i <= 30; ++i) {
    if (i % 3 == 0) cut();
    const auto counted = wait(client.call(methods::kIncrement, one_more(), patient()));
    INFO(counted.status());
    REQUIRE(counted.ok());
    CHECK(counted->value() == i);
    CHECK(counted->write().replayed() == (i % 3 == 0));
  }
  cut();
  CHECK(wait(client.set("k", "v", patient()))->write().replayed());
  cut();
  v1::AppendRequest append;
  append.set_key("k");
  append.set_suffix("w");
  CHECK(wait(client.call(methods::kAppend, append, patient()))->length() == 2);
  cut();
  v1::TransactRequest transaction;
  transaction.add_then()->mutable_append()->set_key("k");
  transaction.mutable_then(0)->mutable_append()->set_suffix("x");
  CHECK(wait(client.call(methods::kTransact, transaction, patient()))->write().replayed());
  CHECK(wait(client.get("k"))->entry().value() == "vwx");
  cut();
  v1::SetExpiryRequest expiry;
  expiry.set_key("k");
  expiry.mutable_expiry()->set_never(true);
  CHECK(wait(client.call(methods::kSetExpiry, expiry, patient()))->applied());
  cut();
  v1::DeleteRangeRequest range;
  range.mutable_range()->set_prefix("k");
  CHECK(wait(client.call(methods::kDeleteRange, range, patient()))->deleted() == 1);
  cut();
  CHECK(wait(client.remove("counter", patient()))->deleted());
  cut();
  CHECK_FALSE(wait(client.get("counter", patient()))->has_entry());
  CHECK(f.proxy.cuts() == 17);
}

TEST_CASE("lost answers: without ids a write whose answer is lost is not sent again, and says what that means") {
  LossyFixture f;
  Client client({.target = f.proxy.target(), .request_ids = false});
  REQUIRE(wait(client.get("warm up")).ok());
  f.proxy.cut_next();
  const auto counted = wait(client.call(methods::kIncrement, one_more(), patient()));
  CHECK(absl::IsUnavailable(counted.status()));
  CHECK(outcome_unknown(counted.status()));
  CHECK(wait(client.get("counter", patient()))->entry().value() == "1");
}
