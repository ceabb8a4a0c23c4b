// kvstore_bench: how fast a server answers and what an answer costs it.
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

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

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures a server: answers a second, latency, and the server's own CPU time for each answer.");
  app.require_subcommand(1);

  kv::UnaryLoadOptions options;
  std::string duration = "5s";
  std::string warm_up = "1s";
  pid_t server_process = 0;
  const std::map<std::string, kv::LoadMethod> methods = {{"get", kv::LoadMethod::kGet}, {"set", kv::LoadMethod::kSet}};

  CLI::App* unary = app.add_subcommand("unary", "a closed loop of single calls of the old service");
  unary->add_option("--target", options.target, "HOST:PORT or unix:PATH")->required();
  unary->add_option("--method", options.method, "get or set")->transform(CLI::CheckedTransformer(methods));
  unary->add_option("--in-flight", options.in_flight, "calls under way at any moment")->check(CLI::Range(1, 100000));
  unary->add_option("--channels", options.channels, "connections")->check(CLI::Range(1, 1000));
  unary->add_option("--keys", options.keys, "different keys")->check(CLI::Range(1, 100000000));
  unary->add_option("--value-bytes", options.value_bytes, "size of each value")->check(CLI::Range(0, 4000000));
  unary->add_option("--duration", duration, "measured time")->capture_default_str();
  unary->add_option("--warm-up", warm_up, "time before that")->capture_default_str();
  unary->add_option("--server-pid", server_process, "process whose CPU time is divided by the operations");
  CLI11_PARSE(app, argc, argv);

  const auto measured = kv::parse_duration(duration);
  const auto before = kv::parse_duration(warm_up);
  if (!measured.ok() || !before.ok()) {
    std::cerr << "kvstore_bench: a duration is a number with a unit, for example 5s\n";
    return 2;
  }
  options.duration = *measured;
  options.warm_up = *before;
  if (server_process != 0) options.server_process = server_process;
  const auto result = kv::run_unary_load(options);
  if (!result.ok()) {
    std::cerr << "kvstore_bench: " << kv::message_of(result.status()) << '\n';
    return EXIT_FAILURE;
  }
  return print(*result);
}
