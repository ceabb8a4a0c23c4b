// kvstore_bench: how fast a server answers and what an answer costs it.
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/pipeline_load.h"
#include "bench/unary_load.h"
#include "core/absl_text.h"
#include "core/units.h"

namespace {

double microseconds(std::chrono::nanoseconds time) { return std::chrono::duration<double, std::micro>(time).count(); }

int print(const kv::UnaryLoadResult& result) {
  std::string line = fmt::format(
      "operations={} errors={} rate={:.0f} p50_us={:.0f} p99_us={:.0f}", result.latency.count(), result.errors,
      result.rate(), microseconds(result.latency.percentile(0.50)), microseconds(result.latency.percentile(0.99)));
  if (result.server_cpu) {
    line += fmt::format(" server_cpu_us={:.3f}",
                        microseconds(*result.server_cpu) / static_cast<double>(result.latency.count()));
  }
  std::cout << line << std::endl;
  return result.errors == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int print(const kv::PipelineLoadResult& result) {
  const auto each = [&](std::chrono::microseconds cpu) {
    return microseconds(cpu) / static_cast<double>(result.operations);
  };
  std::string line = fmt::format("operations={} checked={} rate={:.0f} client_cpu_us={:.3f}", result.operations,
                                 result.checked, result.rate(), each(result.client_cpu));
  if (result.server_cpu) line += fmt::format(" server_cpu_us={:.3f}", each(*result.server_cpu));
  std::cout << line << std::endl;
  return EXIT_SUCCESS;
}

int fail(std::string_view why) {
  std::cerr << "kvstore_bench: " << why << '\n';
  return EXIT_FAILURE;
}

// Options that both loads have.
struct Common {
  std::string duration = "5s";
  std::string warm_up = "1s";
  pid_t server_process = 0;

  void add_to(CLI::App& command) {
    command.add_option("--duration", duration, "measured time")->capture_default_str();
    command.add_option("--warm-up", warm_up, "time before that")->capture_default_str();
    command.add_option("--server-pid", server_process, "process whose CPU time is divided by the operations");
  }
  template <class Options>
  bool read_into(Options& options) const {
    const auto measured = kv::parse_duration(duration);
    const auto before = kv::parse_duration(warm_up);
    if (!measured.ok() || !before.ok()) return false;
    options.duration = *measured;
    options.warm_up = *before;
    if (server_process != 0) options.server_process = server_process;
    return true;
  }
};

CLI::App* add_pipeline(CLI::App& app, kv::PipelineLoadOptions& options) {
  CLI::App* pipeline = app.add_subcommand("pipeline", "a closed loop of Pipeline messages of kvstore.v1");
  pipeline->add_option("--target", options.target, "HOST:PORT or unix:PATH")->required();
  pipeline->add_option("--streams", options.streams, "each on a connection of its own")->check(CLI::Range(1, 1000));
  pipeline->add_option("--depth", options.depth, "messages under way on each stream")->check(CLI::Range(1, 1000));
  pipeline->add_option("--operations", options.operations, "in a message")->check(CLI::Range(1, 4096));
  pipeline->add_option("--keys", options.keys, "different keys")->check(CLI::Range(1, 100000000));
  pipeline->add_option("--reads", options.read_percent, "reads among a hundred operations")->check(CLI::Range(0, 100));
  pipeline->add_option("--value-bytes", options.value_bytes, "size of each value")->check(CLI::Range(0, 100000));
  return pipeline;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures a server: answers a second, latency, and the server's own CPU time for each answer.");
  app.require_subcommand(1);

  kv::UnaryLoadOptions options;
  kv::PipelineLoadOptions pipeline_options;
  Common common;
  const std::map<std::string, kv::LoadMethod> methods = {{"get", kv::LoadMethod::kGet}, {"set", kv::LoadMethod::kSet}};

  CLI::App* unary = app.add_subcommand("unary", "a closed loop of single calls of the old service");
  unary->add_option("--target", options.target, "HOST:PORT or unix:PATH")->required();
  unary->add_option("--method", options.method, "get or set")->transform(CLI::CheckedTransformer(methods));
  unary->add_option("--in-flight", options.in_flight, "calls under way at any moment")->check(CLI::Range(1, 100000));
  unary->add_option("--channels", options.channels, "connections")->check(CLI::Range(1, 1000));
  unary->add_option("--keys", options.keys, "different keys")->check(CLI::Range(1, 100000000));
  unary->add_option("--value-bytes", options.value_bytes, "size of each value")->check(CLI::Range(0, 4000000));
  CLI::App* pipeline = add_pipeline(app, pipeline_options);
  common.add_to(*unary);
  common.add_to(*pipeline);
  CLI11_PARSE(app, argc, argv);

  if (!common.read_into(options) || !common.read_into(pipeline_options)) {
    std::cerr << "kvstore_bench: a duration is a number with a unit, for example 5s\n";
    return 2;
  }
  if (*pipeline) {
    const auto result = kv::run_pipeline_load(pipeline_options);
    return result.ok() ? print(*result) : fail(kv::message_of(result.status()));
  }
  const auto result = kv::run_unary_load(options);
  return result.ok() ? print(*result) : fail(kv::message_of(result.status()));
}
