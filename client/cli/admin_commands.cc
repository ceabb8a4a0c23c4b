// The commands of the admin service.
#include <optional>

#include <fmt/format.h>

#include "client/cli/admin_settings.h"
#include "client/cli/runner.h"
#include "core/absl_text.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

// Whether to wait; absent when the word is another.
std::optional<bool> wait_of(std::span<const std::string> arguments) {
  if (arguments.empty()) return true;
  return arguments.front() == "--no-wait" ? std::optional(false) : std::nullopt;
}

}  // namespace

ExitCode Runner::config_get(Arguments names) {
  const auto wanted = parse_config_get(names);
  if (!wanted.ok()) return misused(message_of(wanted.status()));
  const auto config = connection_.ask(methods::kGetConfig, {});
  if (!config.ok()) return failed("Config", config.status());
  printer_.settings(*config, *wanted);
  return ExitCode::kDone;
}

ExitCode Runner::config_set(Arguments pairs) {
  const auto request = parse_config_set(pairs);
  if (!request.ok()) return misused(message_of(request.status()));
  const auto changed = connection_.ask(methods::kUpdateConfig, *request);
  if (!changed.ok()) return failed("Config", changed.status());
  printer_.settings_changed(*changed, request->validate_only());
  return ExitCode::kDone;
}

ExitCode Runner::status() {
  const auto status = connection_.ask(methods::kGetStatus, {});
  if (!status.ok()) return failed("Status", status.status());
  const auto config = connection_.ask(methods::kGetConfig, {});
  if (!config.ok()) return failed("Status", config.status());
  printer_.status(*status, config->config());
  return ExitCode::kDone;
}

ExitCode Runner::snapshot(Arguments arguments) {
  const auto wait = wait_of(arguments);
  if (!wait) return misused(fmt::format("Usage: {}", find_command("snapshot")->usage));
  v1::CreateSnapshotRequest request;
  request.set_wait(*wait);
  const auto taken = connection_.ask(methods::kCreateSnapshot, request);
  if (!taken.ok()) return failed("Snapshot", taken.status());
  printer_.snapshot_taken(*taken);
  return ExitCode::kDone;
}

ExitCode Runner::snapshots() {
  const auto list = connection_.ask(methods::kListSnapshots, {});
  if (!list.ok()) return failed("Snapshots", list.status());
  printer_.snapshots(*list);
  return ExitCode::kDone;
}

ExitCode Runner::rewrite_log(Arguments arguments) {
  const auto wait = wait_of(arguments);
  if (!wait) return misused(fmt::format("Usage: {}", find_command("rewrite-log")->usage));
  v1::RewriteLogRequest request;
  request.set_wait(*wait);
  const auto rewritten = connection_.ask(methods::kRewriteLog, request);
  if (!rewritten.ok()) return failed("Rewrite", rewritten.status());
  printer_.log_rewritten(*rewritten, *wait);
  return ExitCode::kDone;
}

}  // namespace kv
