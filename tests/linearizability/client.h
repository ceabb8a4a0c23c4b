// One client of a history: random operations on a few keys, one after the other, each noted with its answer.
//
// It compares with what it was shown last, so about as many conditions hold as do not. Calls go through the single
// calls of kvstore.v1, Transact, MultiGet, Pipeline, and some through the old service. Half of the writes carry a
// request id: one of these whose server died is sent again to the next server.
//
// Threads:  one.
// Lifetime: what it is given outlives it.
// Errors:   std::runtime_error for an answer that is no answer to what was asked.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/linearizability/history.h"
#include "tests/linearizability/wire.h"

namespace kv::linearizability {

class Client {
 public:
  Client(unsigned number, unsigned keys, std::uint64_t seed, std::atomic<Instant>& clock)
      : number_(number), keys_(keys), random_(seed), clock_(clock) {}

  void connect(const std::string& address);

  // A random operation. One of fate kOpen was not answered.
  Operation next();
  // All keys, at one revision.
  Operation look();

  // After the crash that ended at `crash`, on the next server: what was left open, as it is known now. `replayed` is
  // raised when the first attempt turns out to have been applied.
  void send_again(Instant crash, std::vector<Operation>& noted, std::uint64_t& sent, std::uint64_t& replayed);
  // Of the last call that was not answered.
  const std::string& why() const { return why_; }
  // What was left open stays so.
  void forget() { open_.reset(); }

 private:
  enum class Way { kCall, kOld, kTransact, kPipeline, kMultiGet };
  struct Request {
    Operation operation = {};
    Way way = Way::kCall;
    std::string id = {};
    bool replayed = false;
  };
  class Calls;

  Request make();
  Request make_single();
  Request make_transaction();
  Request make_comparison(unsigned first);
  Step random_write(unsigned key);
  Condition compare_with(unsigned key);
  std::string new_value();
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  // Sends it and fills in the answer; fate kOpen: there was none.
  void send(Request& request);
  void learn(const Operation& operation);

  const unsigned number_;
  const unsigned keys_;
  std::mt19937_64 random_;
  std::atomic<Instant>& clock_;
  std::unique_ptr<v1::KeyValueService::Stub> stub_;
  std::unique_ptr<kvstore::KeyValueStore::Stub> old_stub_;
  std::array<Shown, kKeysMax> known_;     // what each key was when it was last shown
  std::optional<unsigned> compare_next_;  // a key that was just looked at
  std::optional<Request> open_;
  std::uint64_t values_ = 0;
  std::string why_;
};

}  // namespace kv::linearizability
