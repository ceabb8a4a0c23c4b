// Which refusals a call of the library is made again after: each reason word there is, to a read, a write with an id
// and a write without one.
#include <set>

#include <catch2/catch.hpp>

#include "client/client.h"
#include "core/error.h"
#include "tests/client/error_details.h"
#include "tests/client/fake_server.h"

using namespace kv;
using namespace std::chrono_literals;

namespace {

// UNAVAILABLE of every kind; what has no effect and says when to come again; and what only an id makes safe.
const std::set<Reason> kMadeAgain = {Reason::kLoading,    Reason::kShuttingDown, Reason::kWritesSuspended,
                                     Reason::kNotDurable, Reason::kOverloaded,   Reason::kOutcomeUnknown};

constexpr int kAttempts = 3;
CallOptions patient() { return {.timeout = 30s, .retry = {.attempts = kAttempts, .delay = 1ms, .delay_max = 2ms}}; }

// What one call came to, and how often it was made.
struct Made {
  absl::Status status;
  std::size_t attempts = 0;
};

enum class What { kRead, kWriteWithId, kWriteWithoutId };

// By a client of its own: one whose calls have failed before trusts the server less.
Made make(FakeServer& server, What what) {
  const std::size_t before = server.calls();
  Client client({.target = server.target(), .answer_bytes_max = 64 << 20, .request_ids = what == What::kWriteWithId});
  Made made;
  made.status =
      what == What::kRead ? wait(client.get("k", patient())).status() : wait(client.set("k", "v", patient())).status();
  made.attempts = server.calls() - before;
  return made;
}

std::vector<Reason> all_reasons() {
  std::vector<Reason> reasons;
  for (int i = 0; i <= static_cast<int>(Reason::kInternal); ++i) reasons.push_back(static_cast<Reason>(i));
  return reasons;
}

}  // namespace

TEST_CASE("retries: reads and writes with an id are made again after words that pass, and doubt is told of two words") {
  FakeServer server;
  const Reason reason = GENERATE(from_range(all_reasons()));
  const absl::Status refusal = error(reason, "not now");
  server.answer = grpc::Status(static_cast<grpc::StatusCode>(refusal.code()), std::string(refusal.message()),
                               details_with(std::string(word(reason)), "kvstore", {{"limit", "7"}}));
  for (const What what : {What::kRead, What::kWriteWithId, What::kWriteWithoutId}) {
    INFO(word(reason) << " to " << (what == What::kRead ? "a read" : "a write"));
    const Made made = make(server, what);
    CHECK(made.status.code() == refusal.code());
    CHECK(reason_of(made.status) == word(reason));
    CHECK(facts_of(made.status)["limit"] == "7");
    const bool again = what != What::kWriteWithoutId && kMadeAgain.contains(reason);
    CHECK(made.attempts == (again ? kAttempts : 1));
    const bool unknown = reason == Reason::kOutcomeUnknown || (reason == Reason::kInternal && what != What::kRead);
    CHECK(outcome_unknown(made.status) == unknown);
  }
}
