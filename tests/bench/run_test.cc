// Loads against the real server and against servers that do nothing or behave as programmed. Only what no slow machine
// can change is looked at: counts, errors, lower bounds of latencies.
#include <thread>

#include <catch2/catch.hpp>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <unistd.h>

#include "bench/measurement.h"
#include "bench/null_service.h"
#include "bench/process_cpu.h"
#include "bench/stub_service.h"
#include "bench/sweep.h"
#include "rpc/server.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

RpcServerOptions one_queue() {
  RpcServerOptions options;
  options.queues = 1;
  return options;
}

// A closed loop of a moment.
LoadPlan short_plan(const std::string& target, std::string_view name = "mixed") {
  LoadPlan plan;
  plan.caller.target = target;
  plan.caller.channels = 2;
  plan.workload = *preset(name);
  plan.workload.keys = 500;
  plan.closed = 8;
  plan.threads = 2;
  plan.warm_up = 0ms;
  plan.duration = 200ms;
  return plan;
}

Measurement measured(const LoadPlan& plan, Ledger* ledger = nullptr) {
  KeySpace keys(plan.workload.keys);
  Progress silent(nullptr);
  return measure(plan, keys, ledger, getpid(), silent);
}

absl::Status sweep(const LoadPlan& plan, LoadKind kind, Ledger* ledger, VerifyRecord& found) {
  Progress silent(nullptr);
  return run_sweep({plan.caller, plan.workload.value_bytes, kind, plan.workload.keys, 1}, ledger, found, silent);
}

class ServerOfKeys {
 public:
  explicit ServerOfKeys(const std::string& mode) : server({directory.path(), {"--mode", mode}, {}, {}}) {}

  TempDirectory directory;
  RunningServer server;
};

TEST_CASE("run: every API carries out every mix that it can, and finds the keys that were loaded") {
  ServerOfKeys store("non_persistent");
  VerifyRecord ignored;
  REQUIRE(sweep(short_plan(store.server.address()), LoadKind::kUpdate, nullptr, ignored).ok());
  for (const char* api : {"legacy", "unary", "batch", "pipeline"}) {
    for (const char* name : {"a", "b", "c", "d", "e", "f", "get", "set", "mixed", "incr", "scan"}) {
      LoadPlan plan = short_plan(store.server.address(), name);
      plan.caller.api = *parse_api(api);
      plan.depth = takes_many(plan.caller.api) ? 7 : 1;
      bool possible = true;
      for (std::size_t kind = 0; kind < kLoadKinds; ++kind) {
        possible = possible && (plan.workload.mix[kind] == 0 || can(plan.caller.api, static_cast<LoadKind>(kind)));
      }
      if (!possible) continue;
      const KindRecord all = measured(plan).record.total();
      INFO(api << ", preset " << name);
      CHECK(all.answered > 0);
      CHECK(all.failed == 0);
      for (const auto& [error, count] : all.errors) FAIL_CHECK(error << " " << count << " times");
      if (plan.workload.mix[static_cast<std::size_t>(LoadKind::kInsert)] == 0) CHECK(all.missing == 0);
      CHECK(all.from_intended.count() == all.answered);
    }
  }
}

TEST_CASE("run: the empty server answers each operation of a pipeline with what it asks for") {
  NullKeyValueService service;
  RpcServer server({}, {&service});
  REQUIRE(server.start().ok());
  LoadPlan plan = short_plan(server.addresses().front(), "mixed");
  plan.caller.api = Api::kPipeline;
  plan.depth = 7;
  const KindRecord all = measured(plan).record.total();
  CHECK(all.answered > 0);
  CHECK(all.failed == 0);
  CHECK(all.missing == 0);
}

TEST_CASE("run: the empty server answers unary calls with an entry and a revision, whatever their bytes are") {
  NullKeyValueService service;
  RpcServer server({}, {&service});
  REQUIRE(server.start().ok());
  LoadPlan plan = short_plan(server.addresses().front(), "mixed");
  const KindRecord all = measured(plan).record.total();
  CHECK(all.answered > 0);
  CHECK(all.failed == 0);
  CHECK(all.missing == 0);
  CHECK(all.bytes == 64 * all.answered);

  // Who parsed a request would refuse this one.
  const auto channel = grpc::CreateChannel(server.addresses().front(), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::Slice slice("\xff\xff");
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer answer;
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::Status status;
  const auto call = stub.PrepareUnaryCall(&context, "/kvstore.v1.KeyValueService/Get", request, &queue);
  call->StartCall();
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool good = false;
  REQUIRE(queue.Next(&tag, &good));
  CHECK(status.ok());
  kvstore::v1::GetResponse response;
  CHECK(parse(answer, response));
  CHECK(response.entry().value().size() == 64);
  CHECK(response.revision() == 1);
}

TEST_CASE("run: the syncs of a durable server, and the writes that shared them, are counted") {
  ServerOfKeys store("aof");
  const Measurement run = measured(short_plan(store.server.address(), "set"));
  REQUIRE(run.log.has_value());
  CHECK(run.log->fsyncs > 0);
  CHECK(run.log->records > 0);
  CHECK(run.log->records <= run.record.total().answered + 8);  // as many are under way
  CHECK(run.log->mean_group() >= 1);
}

TEST_CASE("run: the log of a server that was started again is another one, however far that has counted") {
  ServerOfKeys store("aof");
  const LoadPlan first = short_plan(store.server.address(), "set");
  const auto before = ServerLog(first.caller).ask();
  store.server.kill();
  store.server.start();
  const LoadPlan second = short_plan(store.server.address(), "set");
  REQUIRE(measured(second).record.total().answered > 0);
  const auto after = ServerLog(second.caller).ask();
  REQUIRE(before.has_value());
  REQUIRE(after.has_value());
  CHECK(after->fsyncs > before->fsyncs);
  CHECK(between(*before, *before).has_value());
  CHECK_FALSE(between(*before, *after).has_value());
}

TEST_CASE("run: an open loop sends what its schedule says, whatever becomes of it") {
  NullKeyValueService service;
  RpcServer server({}, {&service});
  REQUIRE(server.start().ok());
  LoadPlan plan = short_plan(server.addresses().front(), "set");
  plan.rate = 1000;
  plan.arrivals = Arrivals::kUniform;
  const Measurement run = measured(plan);
  CHECK(run.record.intended == 200);
  const KindRecord all = run.record.total();
  CHECK(all.answered + all.failed + run.record.not_sent == 200);
  CHECK(run.intended_rate() == Approx(1000));
  CHECK(run.server.has_value());
}

TEST_CASE("run: its course has as many points as fit, and each has what was intended in it") {
  NullKeyValueService service;
  RpcServer server({}, {&service});
  REQUIRE(server.start().ok());
  LoadPlan plan = short_plan(server.addresses().front(), "get");
  plan.rate = 1000;
  plan.arrivals = Arrivals::kUniform;
  plan.series = 30ms;
  const Measurement run = measured(plan);
  CHECK(run.record.series.size() == 7);  // of 200 ms: the last one is shorter
  std::uint64_t timed = 0;
  std::size_t points = 0;
  for (const SeriesRecord& moment : run.record.series) {
    timed += moment.latency.count();
    points += moment.latency.count() != 0 ? 1 : 0;
  }
  CHECK(timed == run.record.total().answered);
  CHECK((points == 7 || timed < 200));  // a machine that stood still sends nothing
}

TEST_CASE("run: what is intended while the server stalls is late by the rest of the stall, sent or not") {
  const LoadClock::time_point begin = LoadClock::now() + 50ms;
  StubBehaviour behaviour;
  behaviour.begin = begin;
  behaviour.period = 1h;
  behaviour.pause = 300ms;  // one stall, from the beginning on
  StubService service(behaviour);
  RpcServer server(one_queue(), {&service});
  REQUIRE(server.start().ok());
  LoadPlan plan = short_plan(server.addresses().front(), "get");
  plan.rate = 100;
  plan.arrivals = Arrivals::kUniform;
  plan.threads = 1;
  plan.in_flight_max = 1;  // A caller that waits for each answer is not forgiven what it could not send meanwhile.
  plan.duration = 500ms;
  KeySpace keys(plan.workload.keys);
  const Filler filler(64);
  LoadWorker worker(plan, keys, nullptr, filler, 0);
  worker.start(begin);
  worker.join();
  const Record& record = worker.record();
  CHECK(record.intended == 50);
  // Intended 0, 10, 20 ... ms after the beginning of the stall: the first 16 are at least 150 ms late.
  std::uint64_t late = 0;
  record.total().from_intended.for_each_bucket([&](std::chrono::nanoseconds highest, std::uint64_t count) {
    if (highest >= 150ms) late += count;
  });
  CHECK(late + record.not_sent >= 16);
}

TEST_CASE("run: errors are counted by code and reason, and have no part in the latencies") {
  StubBehaviour behaviour;
  behaviour.refuse_every = 2;
  StubService service(behaviour);
  RpcServer server(one_queue(), {&service});
  REQUIRE(server.start().ok());
  LoadPlan plan = short_plan(server.addresses().front(), "get");
  const Measurement run = measured(plan);
  const KindRecord all = run.record.total();
  CHECK(all.failed > 0);
  CHECK(run.record.in_time <= all.answered);
  CHECK(run.record.failed_in_time > 0);
  CHECK(all.errors.at("RESOURCE_EXHAUSTED OVERLOADED") == all.failed);
  CHECK(all.from_intended.count() == all.answered);
}

TEST_CASE("run: a server that is not there, or knows no such method, is a run of errors and not a hang") {
  RpcServer server({}, {});
  REQUIRE(server.start().ok());
  for (const Api api : {Api::kUnary, Api::kPipeline, Api::kBatch}) {
    LoadPlan plan = short_plan(server.addresses().front(), "get");
    plan.caller.api = api;
    const KindRecord all = measured(plan).record.total();
    CHECK(all.answered == 0);
    CHECK(all.failed > 0);
  }
  LoadPlan nobody = short_plan("127.0.0.1:1", "get");
  nobody.caller.api = Api::kPipeline;
  CHECK(measured(nobody).record.total().answered == 0);
}

TEST_CASE("run: a call that the deadline ends is an error, and its time is in the latencies") {
  StubBehaviour behaviour;
  behaviour.begin = LoadClock::now();
  behaviour.period = 1h;
  behaviour.pause = 700ms;
  StubService service(behaviour);
  RpcServer server(one_queue(), {&service});
  REQUIRE(server.start().ok());
  LoadPlan plan = short_plan(server.addresses().front(), "get");
  plan.caller.deadline = 100ms;
  plan.rate = 50;
  const KindRecord all = measured(plan).record.total();
  const auto ended = all.errors.find("DEADLINE_EXCEEDED");
  if (ended == all.errors.end()) return;  // The machine was so slow that the stall was over before the first call.
  CHECK(all.from_intended.count() == all.answered + ended->second);
  CHECK(all.from_intended.max() >= 100ms);
}

TEST_CASE("verify: a server that keeps its word has nothing missing, also after a kill in the middle of the load") {
  ServerOfKeys store("aof");
  for (const Api api : {Api::kUnary, Api::kPipeline}) {
    LoadPlan plan = short_plan(store.server.address());
    plan.caller.api = api;
    plan.caller.verify = true;
    plan.depth = api == Api::kPipeline ? 5 : 1;
    plan.workload.value_bytes = {24, 200};
    Ledger ledger;
    VerifyRecord found;
    REQUIRE(sweep(plan, LoadKind::kUpdate, &ledger, found).ok());
    const std::uint64_t loaded = ledger.keys();
    plan.duration = 600ms;
    std::thread killer([&] {
      std::this_thread::sleep_for(200ms);  // wherever the load is then
      store.server.kill();
    });
    const Measurement run = measured(plan, &ledger);
    killer.join();
    CHECK(run.record.total().failed > 0);
    store.server.start();
    plan.caller.target = store.server.address();
    REQUIRE(sweep(plan, LoadKind::kRead, &ledger, found).ok());
    CHECK(loaded == plan.workload.keys);
    CHECK(found.checked == plan.workload.keys);
    found.merge(run.record.verify);
    for (const std::string& example : found.examples) UNSCOPED_INFO(example);
    CHECK(found.wrong + found.missing == 0);
  }
}

TEST_CASE("verify: a server that forgets at its end is found out, key by key") {
  ServerOfKeys store("non_persistent");
  LoadPlan plan = short_plan(store.server.address());
  plan.caller.verify = true;
  Ledger ledger;
  VerifyRecord found;
  REQUIRE(sweep(plan, LoadKind::kUpdate, &ledger, found).ok());
  store.server.kill();
  store.server.start();
  plan.caller.target = store.server.address();
  REQUIRE(sweep(plan, LoadKind::kRead, &ledger, found).ok());
  CHECK(found.missing == plan.workload.keys);
  CHECK(found.examples.size() == VerifyRecord::kExamplesMax);
}

TEST_CASE("verify: a value that another wrote over ours is wrong, one that was there before is not ours") {
  ServerOfKeys store("non_persistent");
  const LoadPlan plain = short_plan(store.server.address());  // values that verify nothing
  LoadPlan plan = plain;
  plan.caller.verify = true;
  VerifyRecord before;
  VerifyRecord after;
  Ledger ledger;
  REQUIRE(sweep(plain, LoadKind::kUpdate, nullptr, before).ok());
  REQUIRE(sweep(plan, LoadKind::kRead, &ledger, before).ok());
  CHECK(before.not_ours == plan.workload.keys);
  CHECK(before.wrong + before.missing == 0);
  REQUIRE(sweep(plan, LoadKind::kUpdate, &ledger, after).ok());
  REQUIRE(sweep(plain, LoadKind::kUpdate, nullptr, after).ok());
  REQUIRE(sweep(plan, LoadKind::kRead, &ledger, after).ok());
  CHECK(after.wrong == plan.workload.keys);
}

TEST_CASE("server process: it is found by the address that it serves, and its figures grow with work") {
  ServerOfKeys store("non_persistent");
  CHECK(process_behind(store.server.address()) == store.server.pid());
  CHECK_FALSE(process_behind("127.0.0.1:1").has_value());
  CHECK_FALSE(process_behind("example.org:50051").has_value());
  const auto use = use_of(store.server.pid());
  REQUIRE(use.ok());
  CHECK(use->memory_bytes > 0);
  CHECK(use->memory_peak_bytes >= use->memory_bytes);

  const auto before = process_cpu(getpid());
  REQUIRE(before.ok());
  CHECK_FALSE(before->in_ticks);
  // Less than a tick of work is seen: what is awaited is the figure itself.
  std::chrono::nanoseconds later = before->time;
  while (later == before->time) later = process_cpu(getpid()).value().time;
  CHECK(later > before->time);
  CHECK(later < before->time + 10ms);
  CHECK_FALSE(process_cpu(store.server.pid()).value().in_ticks);
  CHECK(use->cpu_in_ticks == false);

  const auto coarse = process_cpu_in_ticks(getpid());
  REQUIRE(coarse.ok());
  CHECK(coarse->in_ticks);
  CHECK(coarse->time.count() % 1'000'000 == 0);
  CHECK(coarse->time <= process_cpu(getpid()).value().time + 20ms);
  constexpr pid_t kNobody = 0x7fffffff;
  CHECK(process_cpu(kNobody).status().code() == absl::StatusCode::kNotFound);
  CHECK(process_cpu(0).status().code() == absl::StatusCode::kNotFound);
  CHECK(process_cpu_in_ticks(kNobody).status().code() == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace kv
