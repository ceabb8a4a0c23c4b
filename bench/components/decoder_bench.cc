// Reading an operation of a pipeline by hand, beside protobuf's own parser; and writing its answer.
#include <string>

#include <benchmark/benchmark.h>

#include "kvstore/v1/operation.pb.h"
#include "server/operation_decoder.h"

namespace kv {
namespace {

std::string operation_bytes(bool write) {
  kvstore::v1::Operation operation;
  if (write) {
    operation.mutable_set()->set_key("k000000000000042");
    operation.mutable_set()->set_value(std::string(64, 'v'));
  } else {
    operation.mutable_get()->set_key("k000000000000042");
  }
  return operation.SerializeAsString();
}

void decode_by_hand(benchmark::State& state) {
  const std::string bytes = operation_bytes(state.range(0) != 0);
  for (auto _ : state) {
    WireReader reader(bytes);
    DecodedOperation decoded;
    const bool good = decode_operation(reader, decoded) && finish(decoded).ok();
    if (!good) state.SkipWithError("the operation does not decode");
    benchmark::DoNotOptimize(decoded);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(decode_by_hand)->ArgName("set")->Arg(0)->Arg(1);

void decode_with_protobuf(benchmark::State& state) {
  const std::string bytes = operation_bytes(state.range(0) != 0);
  kvstore::v1::Operation operation;
  for (auto _ : state) {
    if (!operation.ParseFromString(bytes)) state.SkipWithError("the operation does not parse");
    benchmark::DoNotOptimize(operation);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(decode_with_protobuf)->ArgName("set")->Arg(0)->Arg(1);

}  // namespace
}  // namespace kv
