// How operations reach the server: one of its APIs, over connections of one's own.
//
//   legacy    the old service, Get and Set
//   unary     kvstore.v1, one call an operation
//   batch     kvstore.v1 MultiGet: reads, several in a call
//   pipeline  kvstore.v1 Pipeline: several operations in a message, many messages on a stream
//   etcd      etcd's KV service, Range and Put: to compare
//
// Threads:  begin() from any thread; answers come on the one thread of the caller.
// Lifetime: the destructor gives up what is under way; every shot has been answered when it returns.
// Errors:   in each answer. A server that is away is UNAVAILABLE and is tried again by the next shot.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bench/load_value.h"
#include "bench/shot.h"
#include "kvstore/v1/types.pb.h"

namespace kv {

enum class Api { kLegacy, kUnary, kBatch, kPipeline, kEtcd };
absl::StatusOr<Api> parse_api(std::string_view text);
std::string_view name_of(Api api);
// Whether the API can carry out such operations.
bool can(Api api, LoadKind kind);
// Several operations in a message.
inline bool takes_many(Api api) { return api == Api::kBatch || api == Api::kPipeline; }

struct CallerOptions {
  std::string target;  // as parse_target() gives it
  Api api = Api::kUnary;
  int channels = 1;
  std::chrono::milliseconds deadline{5000};
  kvstore::v1::Durability durability = kvstore::v1::DURABILITY_UNSPECIFIED;
  std::chrono::milliseconds time_to_live{0};  // that Set gives its key; 0: none
  std::size_t key_bytes = 16;
  bool verify = false;
};

class Caller {
 public:
  virtual ~Caller() = default;
  // The shot comes back to `sink`, which outlives it.
  virtual void begin(std::unique_ptr<Shot> shot, ShotSink& sink) = 0;
  // Gives up what has waited for the deadline and nobody else gives up; to be called several times a second.
  virtual void tend() {}
};

// `filler` has values as large as the workload's, and outlives the caller.
std::unique_ptr<Caller> make_caller(const CallerOptions& options, const Filler& filler);

}  // namespace kv
