#include "bench/run_options.h"

#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/server_process.h"
#include "client/target.h"
#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

constexpr double kDefaultRate = 1000;

absl::Status wrong(std::string_view option, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", option, why));
}

template <class T>
absl::Status read(std::string_view option, const absl::StatusOr<T>& value, T& to) {
  if (!value.ok()) return wrong(option, message_of(value.status()));
  to = *value;
  return absl::OkStatus();
}

// "5000", "20k", "1.5M", with or without "/s".
absl::StatusOr<double> parse_rate(std::string_view text) {
  std::string_view left = text;
  if (left.ends_with("/s")) left.remove_suffix(2);
  double factor = 1;
  if (left.ends_with('k')) factor = 1e3;
  if (left.ends_with('M')) factor = 1e6;
  if (factor != 1) left.remove_suffix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(left.data(), left.data() + left.size(), number);
  const double rate = number * factor;
  if (error != std::errc() || end != left.data() + left.size() || !(rate >= 0.1 && rate <= 1e8)) {
    return absl::InvalidArgumentError(fmt::format("'{}' is no rate: 5000, 20k/s, 1.5M; 0.1 to 100M", text));
  }
  return rate;
}

absl::StatusOr<kvstore::v1::Durability> parse_durability(std::string_view text) {
  if (text == "default") return kvstore::v1::DURABILITY_UNSPECIFIED;
  if (text == "memory") return kvstore::v1::DURABILITY_MEMORY;
  if (text == "os") return kvstore::v1::DURABILITY_OS;
  if (text == "disk") return kvstore::v1::DURABILITY_DISK;
  return absl::InvalidArgumentError(fmt::format("'{}' is no level: default, memory, os, disk", text));
}

absl::Status read_workload(const RunTexts& texts, Workload& workload) {
  if (auto status = read("--preset", preset(texts.preset), workload); !status.ok()) return status;
  if (!texts.distribution.empty()) {
    if (auto status = read("--distribution", parse_distribution(texts.distribution), workload.distribution);
        !status.ok()) {
      return status;
    }
  }
  workload.keys = texts.keys;
  workload.key_bytes = texts.key_bytes;
  if (texts.keys > keys_of(texts.key_bytes)) return wrong("--keys", "more than there are names of --key-bytes");
  return read("--value-bytes", parse_value_sizes(texts.value_bytes), workload.value_bytes);
}

absl::Status read_caller(const RunTexts& texts, CallerOptions& caller) {
  const auto first = [](std::initializer_list<absl::Status> all) {
    for (const absl::Status& each : all) {
      if (!each.ok()) return each;
    }
    return absl::OkStatus();
  };
  caller.channels = texts.channels;
  caller.key_bytes = texts.key_bytes;
  caller.verify = texts.verify;
  return first({read("--target", parse_target(texts.target.empty() ? kDefaultTarget : texts.target), caller.target),
                read("--api", parse_api(texts.api), caller.api),
                read("--deadline", parse_duration(texts.deadline), caller.deadline),
                read("--durability", parse_durability(texts.durability), caller.durability),
                texts.time_to_live.empty()
                    ? absl::OkStatus()
                    : read("--expire-in", parse_duration(texts.time_to_live), caller.time_to_live)});
}

// What fits to what.
absl::Status check(const RunTexts& texts, const LoadPlan& plan) {
  const Api api = plan.caller.api;
  for (std::size_t kind = 0; kind < kLoadKinds; ++kind) {
    if (plan.workload.mix[kind] > 0 && !can(api, static_cast<LoadKind>(kind))) {
      return wrong("--api", fmt::format("{} has no {}, which preset {} asks for", name_of(api),
                                        name_of(static_cast<LoadKind>(kind)), plan.workload.preset));
    }
  }
  const bool old = api == Api::kLegacy || api == Api::kEtcd;
  if (texts.verify && old) return wrong("--verify", "needs revisions, which this API does not tell");
  if (old && plan.caller.durability != kvstore::v1::DURABILITY_UNSPECIFIED) {
    return wrong("--durability", "this API cannot ask for a level");
  }
  if (!texts.time_to_live.empty()) {
    if (old) return wrong("--expire-in", "this API has no expiry");
    if (texts.verify) return wrong("--expire-in", "with --verify what has expired would be missing");
    if (plan.caller.time_to_live.count() == 0) return wrong("--expire-in", "must be above zero");
  }
  if (texts.verify && plan.workload.value_bytes.least < kVerifiedValueBytesMin) {
    return wrong("--value-bytes", fmt::format("with --verify at least {}", kVerifiedValueBytesMin));
  }
  if (!texts.ledger.empty() && !texts.verify) return wrong("--ledger", "is of --verify");
  if (!takes_many(api) && texts.depth > 1) return wrong("--pipeline-depth", "is of --api pipeline and batch");
  if (plan.threads > plan.caller.channels) return wrong("--threads", "each needs a channel of its own");
  if (!plan.rate && plan.threads > plan.closed) return wrong("--threads", "more than --closed has shots for");
  if (plan.caller.deadline.count() == 0) return wrong("--deadline", "must be above zero");
  if (plan.duration < std::chrono::milliseconds(10)) return wrong("--duration", "at least 10ms");
  if (plan.series.count() == 0) return wrong("--series", "must be above zero");
  if (series_points(plan) > kSeriesMax) {
    return wrong("--series", fmt::format("{} points of this duration; at most {}", series_points(plan), kSeriesMax));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view name_of(Arrivals arrivals) { return arrivals == Arrivals::kPoisson ? "poisson" : "uniform"; }

std::string_view name_of(kvstore::v1::Durability durability) {
  switch (durability) {
    case kvstore::v1::DURABILITY_MEMORY:
      return "memory";
    case kvstore::v1::DURABILITY_OS:
      return "os";
    case kvstore::v1::DURABILITY_DISK:
      return "disk";
    default:
      return "default";
  }
}

void RunTexts::add_to(CLI::App& command, bool with_load) {
  command.add_option("--target", target, "HOST:PORT or unix:PATH; 127.0.0.1:50051 when not given");
  command.add_option("--preset", preset, std::string(preset_names()))->capture_default_str();
  if (with_load) {
    CLI::Option* open =
        command.add_option("--rate", rate, "open loop: operations a second, 5000 or 20k/s; 1000 when neither is given");
    command.add_option("--closed", closed, "closed loop: calls or messages under way at any moment")
        ->check(CLI::Range(1, 100000))
        ->excludes(open);
    command.add_option("--repeat", repeat, "runs; their medians and spread are the result")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    command.add_option("--series", series, "between two points of the course in the JSON")->capture_default_str();
    command.add_option("--hdr", hdr, "prefix of files with the percentiles of each kind of operation");
    command.add_flag("--verify", verify, "values say whose they are; every read is checked, and all keys in the end");
    command.add_option("--ledger", ledger, "where --verify keeps what was acknowledged, for `kvstore_bench verify`");
  }
  command.add_option("--arrivals", arrivals, "poisson or uniform")
      ->check(CLI::IsMember({"poisson", "uniform"}))
      ->capture_default_str();
  command.add_option("--duration", duration, "measured time")->capture_default_str();
  command.add_option("--warmup,--warm-up", warm_up, "time before that")->capture_default_str();
  command.add_option("--in-flight", in_flight, "of an open loop, at most so many calls or messages under way")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command.add_option("--channels", channels, "connections")->check(CLI::Range(1, 10000))->capture_default_str();
  command.add_option("--threads", threads, "of this program; each has its share of the channels")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command.add_option("--api", api, "legacy, unary, batch, pipeline, or etcd")->capture_default_str();
  command.add_option("--pipeline-depth", depth, "operations in a message of pipeline or batch; 16 when not given")
      ->check(CLI::Range(1, 4096));
  command.add_option("--keys", keys, "that the load phase sets")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
      ->capture_default_str();
  command.add_option("--key-bytes", key_bytes, "length of a key")
      ->check(CLI::Range(std::uint64_t{2}, std::uint64_t{1024}))
      ->capture_default_str();
  command.add_option("--value-bytes", value_bytes, "64, 1KiB, a range 16-1024, or a file with a size a line")
      ->capture_default_str();
  command.add_option("--distribution", distribution, "uniform, zipf:0.99, latest:0.99, hot:0.2,0.8; the preset's own");
  command.add_option("--durability", durability, "level that writes ask for: default, memory, os, disk")
      ->capture_default_str();
  command.add_option("--expire-in", time_to_live, "time to live that every write gives its key; none");
  command.add_option("--deadline", deadline, "of each call")->capture_default_str();
  command.add_option("--load", load, "set all keys first")->check(CLI::IsMember({"yes", "no"}))->capture_default_str();
  command.add_option("--seed", seed, "of everything random")->capture_default_str();
  command.add_option("--label", label, "text that the result carries");
  command.add_option("--json", json, "file for the whole result");
  command.add_option("--server-pid", server_process, "the server's process; on this machine it is found by itself");
}

absl::StatusOr<RunOptions> resolve(const RunTexts& texts) {
  RunOptions options;
  LoadPlan& plan = options.plan;
  if (auto status = read_caller(texts, plan.caller); !status.ok()) return status;
  if (auto status = read_workload(texts, plan.workload); !status.ok()) return status;
  if (auto status = read("--duration", parse_duration(texts.duration), plan.duration); !status.ok()) return status;
  if (auto status = read("--warmup", parse_duration(texts.warm_up), plan.warm_up); !status.ok()) return status;
  if (auto status = read("--series", parse_duration(texts.series), plan.series); !status.ok()) return status;
  if (!texts.rate.empty()) {
    double rate = 0;
    if (auto status = read("--rate", parse_rate(texts.rate), rate); !status.ok()) return status;
    plan.rate = rate;
  } else if (texts.closed == 0) {
    plan.rate = kDefaultRate;
  }
  plan.closed = texts.closed;
  plan.arrivals = texts.arrivals == "poisson" ? Arrivals::kPoisson : Arrivals::kUniform;
  plan.in_flight_max = texts.in_flight;
  plan.threads = texts.threads;
  plan.depth = texts.depth != 0 ? texts.depth : takes_many(plan.caller.api) ? 16 : 1;
  plan.seed = texts.seed;
  if (absl::Status status = check(texts, plan); !status.ok()) return status;
  options.load = texts.load == "yes";
  options.verify = texts.verify;
  options.repeat = texts.repeat;
  options.label = texts.label;
  options.json = texts.json;
  options.hdr = texts.hdr;
  options.ledger = texts.ledger;
  options.server_process = texts.server_process != 0 ? std::optional(static_cast<pid_t>(texts.server_process))
                                                     : process_behind(plan.caller.target);
  return options;
}

}  // namespace kv
