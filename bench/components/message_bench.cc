// One message of a pipeline in memory, from its bytes to those of its answer: what the server adds to the library's own
// work. Half its operations are Get, half Set of 64 bytes, keys at random over so many; one thread, nothing on disk.
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/components/temporary_folder.h"
#include "kvstore/v1/key_value_service.pb.h"
#include "persistence/journal.h"
#include "server/engine.h"
#include "server/pipeline_message.h"

namespace kv {
namespace {

constexpr std::size_t kShards = 64;            // of a server on two processors
constexpr std::int64_t kOperations = 1 << 20;  // in all messages together

class EasyKeeper final : public LogKeeper {
 public:
  absl::Status segments_prepared(std::uint64_t, std::uint64_t) override { return absl::OkStatus(); }
  absl::StatusOr<Revision> raise_ceiling(Revision needed) override { return needed + 1'000'000'000; }
};

// Nothing waits without a log, so nothing is posted.
class NoScheduler final : public Scheduler {
 public:
  using Scheduler::post;
  void post(CompletionList list) noexcept override {
    while (Completion* completion = list.pop()) completion->complete(true);
  }
};

class PatientCaller final : public Caller {
 public:
  Scheduler& home() noexcept override { return home_; }
  absl::Status still_wanted() noexcept override { return absl::OkStatus(); }

 private:
  NoScheduler home_;
};

Detached run(PipelineMessage& message, Caller& caller, bool& well) { well = (co_await message.run(caller)).ok(); }

struct Server {
  Server() : journal(posix_file_system(), clock, keeper, options()), engine(store, clock, {}, progress) {
    journal.start(0, 1'000'000'000);
    journal.resume();
    engine.attach(journal);
    engine.start_serving();
  }
  ~Server() {
    journal.abandon_waiters();
    journal.stop().IgnoreError();
  }

  JournalOptions options() const {
    JournalOptions result;
    result.directory = folder.path();
    return result;
  }

  TemporaryFolder folder;
  SystemClock clock;
  EasyKeeper keeper;
  Store store{{.shard_count = kShards}};
  LoadProgress progress;
  Journal journal;
  Engine engine;
  PatientCaller caller;
};

std::string key_of(std::int64_t number) {
  const std::string digits = std::to_string(number);
  return "k" + std::string(15 - digits.size(), '0') + digits;
}

bool carry_out(Server& server, PipelineMessage& message, std::string_view bytes) {
  bool well = false;
  if (!message.read(bytes).ok()) return false;
  run(message, server.caller, well);
  benchmark::DoNotOptimize(message.answer().message.bytes().data());
  return well;
}

void carry_out_message(benchmark::State& state) {
  const std::int64_t operations = state.range(0);
  const std::int64_t keys = state.range(1);
  Server server;
  PipelineMessage message(server.engine);
  const std::string value(64, 'v');
  for (std::int64_t key = 0; key < keys;) {
    kvstore::v1::PipelineRequest request;
    for (int i = 0; i < 1000 && key < keys; ++i) {
      auto& set = *request.add_operations()->mutable_set();
      set.set_key(key_of(key++));
      set.set_value(value);
    }
    if (!carry_out(server, message, request.SerializeAsString())) state.SkipWithError("the keys are not there");
  }
  std::mt19937_64 random(1);
  std::vector<std::string> messages(static_cast<std::size_t>(kOperations / operations));
  for (std::string& bytes : messages) {
    kvstore::v1::PipelineRequest request;
    for (std::int64_t i = 0; i < operations; ++i) {
      kvstore::v1::Operation& operation = *request.add_operations();
      const std::string key = key_of(static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(keys)));
      if (i % 2 == 0) {
        operation.mutable_get()->set_key(key);
      } else {
        operation.mutable_set()->set_key(key);
        operation.mutable_set()->set_value(value);
      }
    }
    bytes = request.SerializeAsString();
  }
  std::size_t at = 0;
  for (auto _ : state) {
    if (!carry_out(server, message, messages[at++ % messages.size()])) state.SkipWithError("a message is refused");
  }
  state.SetItemsProcessed(state.iterations() * operations);
}
BENCHMARK(carry_out_message)->ArgNames({"operations", "keys"})->ArgsProduct({{16, 128}, {10'000, 1'000'000}});

}  // namespace
}  // namespace kv
