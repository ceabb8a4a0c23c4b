#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "bench/compare.h"
#include "bench/result_text.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

// A second in which 100 reads took from 1 to 100 ms.
Measurement run_of(std::uint64_t late = 0, int slower = 1) {
  Measurement run;
  run.duration = 1s;
  run.record.series.resize(1);
  run.record.intended = 100 + late;
  run.record.in_time = 100;
  KindRecord& reads = run.record.kinds[0];
  reads.answered = 100;
  for (int i = 1; i <= 100; ++i) {
    reads.from_intended.add(i * slower * 1ms);
    reads.from_sent.add(i * 500us);
  }
  return run;
}

RunResult result_of(std::vector<Measurement> runs) {
  RunResult result;
  result.options.plan.rate = 100;
  result.options.plan.workload = *preset("get");
  result.time = "2024-01-01T00:00:00Z";
  result.client = {{"version", "0"}};
  result.runs = std::move(runs);
  return result;
}

TEST_CASE("result: the table has the percentiles of a run that kept its schedule") {
  const std::string table = table_of(result_of({run_of()}));
  CHECK(table.find("p99.99") != std::string::npos);
  CHECK(table.find("100ms") != std::string::npos);
  CHECK(table.find("SATURATED") == std::string::npos);
}

TEST_CASE("result: a saturated run says so, and shows no percentiles") {
  const RunResult result = result_of({run_of(100)});
  const std::string table = table_of(result);
  CHECK(table.find("SATURATED: 100 of 200 operations/s were answered in time") != std::string::npos);
  CHECK(table.find("p99") == std::string::npos);
  CHECK(table.find("ms") == std::string::npos);
  CHECK(to_json(result).at("saturated") == true);
}

TEST_CASE("result: one saturated run of several takes the percentiles of all, and says so") {
  RunResult result = result_of({run_of(), run_of(100, 50), run_of()});
  result.options.hdr = "files";
  const std::string table = table_of(result);
  CHECK(table.find("SATURATED: 1 of 3 runs") != std::string::npos);
  CHECK(table.find("no file files.*.hdr") != std::string::npos);
  CHECK(table.find("p99") == std::string::npos);
  CHECK(table.find("ms") == std::string::npos);
}

TEST_CASE("result: a saturated run says what was answered meanwhile, whenever that was intended") {
  Measurement run = run_of(100);
  run.record.in_time = 0;
  run.record.series[0].answered = 70;
  const RunResult result = result_of({run});
  const std::string table = table_of(result);
  CHECK(table.find("SATURATED: 0 of 200 operations/s") != std::string::npos);
  CHECK(table.find("70/s were answered meanwhile") != std::string::npos);
  CHECK(to_json(result).at("answered_rate") == 70);
}

TEST_CASE("result: the course has a point for each step, and its rates are of a second") {
  Measurement run = run_of();
  run.record.series[0].answered = 30;
  RunResult result = result_of({run});
  CHECK(to_json(result).at("series").at(0).at("rate") == 30.0);
  result.options.plan.series = 100ms;
  CHECK(to_json(result).at("series").at(0).at("rate") == 300.0);
  CHECK(to_json(result).at("workload").at("series_ms") == 100);
}

TEST_CASE("result: a run of which more than 1 % failed says so") {
  Measurement run = run_of();
  run.record.intended = 200;
  run.record.failed_in_time = run.record.kinds[0].failed = 100;
  const RunResult result = result_of({run});
  CHECK(table_of(result).find("FAILING: 100 of 200 operations failed, 50.0 %") != std::string::npos);
  CHECK(to_json(result).at("failed_share") == 0.5);
  CHECK(to_json(result).at("achieved_rate") == 100);
  CHECK(table_of(result_of({run_of()})).find("FAILING") == std::string::npos);
}

TEST_CASE("result: what the server did to its log stands beside what its process used, or alone") {
  Measurement run = run_of();
  run.log = between({.fsyncs = 10, .writes = 20, .records = 30, .snapshots = 2, .snapshot_seconds = 9},
                    {.fsyncs = 15, .writes = 30, .records = 110, .bytes = 7, .snapshots = 3, .snapshot_seconds = 1.5});
  const Json delta = to_json(result_of({run})).at("server_delta");
  CHECK(delta.at("fsyncs") == 5);
  CHECK(delta.at("log_writes") == 10);
  CHECK(delta.at("mean_group") == 8.0);
  CHECK(delta.at("log_bytes") == 7);
  CHECK(delta.at("snapshots") == 1);
  CHECK(delta.at("snapshot_seconds") == 1.5);
  CHECK_FALSE(delta.contains("cpu_seconds"));
  CHECK(table_of(result_of({run})).find("log: 5 syncs, 8.0 records a write") != std::string::npos);
  CHECK(to_json(result_of({run_of()})).at("server_delta").is_null());
  run.log = between({.snapshots = 2, .snapshot_seconds = 9}, {.snapshots = 2, .snapshot_seconds = 9});
  CHECK(to_json(result_of({run})).at("server_delta").at("snapshot_seconds") == 0);
}

TEST_CASE("result: CPU time that was counted in ticks says so") {
  Measurement run = run_of();
  run.server = ServerUse{{}, {.cpu = 1500us}, 1000};
  CHECK(run.server->cpu_each() == Approx(1.5));
  CHECK(table_of(result_of({run})).find("ticks") == std::string::npos);
  CHECK(to_json(result_of({run})).at("server_delta").at("cpu_in_ticks") == false);
  run.server->after.cpu_in_ticks = true;
  CHECK(table_of(result_of({run})).find("counted in ticks of 10 ms") != std::string::npos);
}

TEST_CASE("result: what a server that was started again did to its log is left out") {
  Measurement run = run_of();
  run.log = between({.fsyncs = 10, .writes = 20, .records = 30}, {.fsyncs = 15, .writes = 19, .records = 31});
  CHECK_FALSE(run.log.has_value());
  CHECK_FALSE(between({.fsyncs = 10}, {.fsyncs = 9}).has_value());
  CHECK_FALSE(between({.records = 10}, {.records = 9}).has_value());
  CHECK_FALSE(between({.fsyncs = 1, .started = 5}, {.fsyncs = 2, .started = 6}).has_value());
  CHECK(to_json(result_of({run})).at("server_delta").is_null());
  CHECK(table_of(result_of({run})).find("syncs") == std::string::npos);
}

TEST_CASE("result: the JSON holds what the run needs to be repeated, its latencies in microseconds, and its buckets") {
  const Json json = to_json(result_of({run_of()}));
  for (const char* name : {"schema", "label", "time", "command", "client", "server", "workload", "intended_rate",
                           "achieved_rate", "saturated", "operations", "series", "server_delta", "verify", "repeats"}) {
    INFO(name);
    CHECK(json.contains(name));
  }
  const Json& workload = json.at("workload");
  for (const char* name : {"target",
                           "preset",
                           "mix",
                           "api",
                           "rate",
                           "arrivals",
                           "closed",
                           "channels",
                           "threads",
                           "keys",
                           "key_bytes",
                           "value_bytes",
                           "distribution",
                           "durability",
                           "deadline_ms",
                           "warm_up_ms",
                           "duration_ms",
                           "load",
                           "seed",
                           "operations_per_message",
                           "in_flight_max",
                           "repeat",
                           "time_to_live_ms"}) {
    INFO(name);
    CHECK(workload.contains(name));
  }
  const Json& read = json.at("operations").at(0);
  CHECK(read.at("name") == "read");
  CHECK(read.at("latency_us").at("p50").get<double>() == Approx(51'000).epsilon(0.02));
  CHECK(read.at("latency_from_sent_us").at("max").get<double>() == Approx(50'000));
  std::uint64_t counted = 0;
  for (const Json& bucket : read.at("latency_us").at("buckets_ns")) counted += bucket.at(1).get<std::uint64_t>();
  CHECK(counted == 100);
}

TEST_CASE("result: repeats give medians and what lies around them, and the run in the middle is shown") {
  const RunResult result = result_of({run_of(0, 3), run_of(0, 1), run_of(0, 2)});
  CHECK(&result.middle() == &result.runs[2]);
  const Json p50 = to_json(result).at("repeats").at("p50_us");
  CHECK(p50.at("median").get<double>() == Approx(102'000).epsilon(0.02));
  CHECK(p50.at("least").get<double>() == Approx(51'000).epsilon(0.02));
  CHECK(p50.at("most").get<double>() == Approx(153'000).epsilon(0.02));
  CHECK(p50.at("runs").size() == 3);
  CHECK(spread_of({4, 1, 3, 2}).median == 2.5);
}

TEST_CASE("result: the percentiles file ends at the largest value with all that was counted") {
  const TempDirectory directory;
  RunResult result = result_of({run_of()});
  result.options.hdr = directory.file("run");
  REQUIRE(write_percentiles(result).ok());
  std::ifstream file(directory.file("run.read.hdr"));
  std::string line;
  std::getline(file, line);
  CHECK(line.find("Value     Percentile TotalCount 1/(1-Percentile)") != std::string::npos);
  double value = 0, share = 0, before = 0;
  std::uint64_t count = 0;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    fields >> value >> share >> count;
    CHECK(share > before);
    before = share;
  }
  CHECK(value == Approx(100'000));
  CHECK(share == 1);
  CHECK(count == 100);
  result.options.hdr = directory.file("no/such/place");
  CHECK(write_percentiles(result).code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("compare: the same is no regression, twice as slow is one") {
  const Json before = to_json(result_of({run_of()}));
  const Json after = to_json(result_of({run_of(0, 2)}));
  CHECK_FALSE(compare(before, before, 0.05)->regression);
  const auto worse = compare(before, after, 0.05);
  CHECK(worse->regression);
  CHECK(worse->text.find("WORSE") != std::string::npos);
  CHECK_FALSE(compare(after, before, 0.05)->regression);
  CHECK_FALSE(compare(before, after, 1.5)->regression);
}

TEST_CASE("compare: what differs no more than the runs themselves do is no regression") {
  const Json before = to_json(result_of({run_of(0, 1), run_of(0, 1), run_of(0, 3)}));
  const Json after = to_json(result_of({run_of(0, 1), run_of(0, 2), run_of(0, 3)}));
  const auto found = compare(before, after, 0.05);
  CHECK_FALSE(found->regression);
  CHECK(found->text.find("within the spread") != std::string::npos);
}

TEST_CASE("compare: becoming saturated is a regression, settings that differ are named, and other files are refused") {
  const Json before = to_json(result_of({run_of()}));
  Json after = to_json(result_of({run_of(100)}));
  CHECK(compare(before, after, 5)->regression);
  after = before;
  after["workload"]["keys"] = 7;
  CHECK(compare(before, after, 0.05)->text.find("differs: workload.keys") != std::string::npos);
  CHECK_FALSE(compare(Json::object(), before, 0.05).ok());
  CHECK_FALSE(compare(before, Json({{"schema", 1}}), 0.05).ok());
  CHECK(parse_share("5%").value() == Approx(0.05));
  CHECK(parse_share("0.1").value() == Approx(0.1));
  CHECK_FALSE(parse_share("x").ok());
  CHECK_FALSE(parse_share("-1%").ok());
}

}  // namespace
}  // namespace kv
