#include "bench/workload.h"

#include <fmt/format.h>

namespace kv {
namespace {

struct Preset {
  std::string_view name;
  Mix mix;  // read, update, insert, scan, read-modify-write, increment
  Distribution::Kind distribution;
};

using enum Distribution::Kind;

constexpr std::array kPresets = {
    Preset{"a", {0.5, 0.5, 0, 0, 0, 0}, kZipf},
    Preset{"b", {0.95, 0.05, 0, 0, 0, 0}, kZipf},
    Preset{"c", {1, 0, 0, 0, 0, 0}, kZipf},
    Preset{"d", {0.95, 0, 0.05, 0, 0, 0}, kLatest},
    Preset{"e", {0, 0, 0.05, 0.95, 0, 0}, kZipf},
    Preset{"f", {0.5, 0, 0, 0, 0.5, 0}, kZipf},
    Preset{"get", {1, 0, 0, 0, 0, 0}, kUniform},
    Preset{"set", {0, 1, 0, 0, 0, 0}, kUniform},
    Preset{"mixed", {0.5, 0.5, 0, 0, 0, 0}, kUniform},
    Preset{"incr", {0, 0, 0, 0, 0, 1}, kUniform},
    Preset{"scan", {0, 0, 0, 1, 0, 0}, kUniform},
};

}  // namespace

std::string_view name_of(LoadKind kind) {
  constexpr std::array<std::string_view, kLoadKinds> kNames = {
      "read", "update", "insert", "scan", "read-modify-write", "increment"};
  return kNames[static_cast<std::size_t>(kind)];
}

absl::StatusOr<Workload> preset(std::string_view name) {
  for (const Preset& each : kPresets) {
    if (each.name != name) continue;
    Workload workload;
    workload.preset = name;
    workload.mix = each.mix;
    workload.distribution.kind = each.distribution;
    return workload;
  }
  return absl::InvalidArgumentError(fmt::format("'{}' is no preset: {}", name, preset_names()));
}

std::string_view preset_names() { return "a, b, c, d, e, f, get, set, mixed, incr, scan"; }

LoadKind Planner::next_kind() {
  double left = random_.unit();
  std::size_t last = 0;
  for (std::size_t kind = 0; kind < kLoadKinds; ++kind) {
    if (workload_.mix[kind] == 0) continue;
    last = kind;
    left -= workload_.mix[kind];
    if (left < 0) break;
  }
  return static_cast<LoadKind>(last);
}

LoadOperation Planner::next() {
  LoadOperation operation;
  operation.kind = next_kind();
  operation.sequence = sequence_;
  sequence_ += step_;
  switch (operation.kind) {
    case LoadKind::kInsert:
      operation.key = keys_.take();
      break;
    case LoadKind::kScan:
      operation.size = 1 + random_.below(workload_.scan_entries_max);
      return operation;
    default:
      operation.key = choice_.draw(random_, keys_.count());
  }
  if (writes(operation.kind)) operation.size = workload_.value_bytes.draw(random_);
  return operation;
}

}  // namespace kv
