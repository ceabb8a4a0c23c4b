// export: every entry, or those with a prefix, as the JSON lines that import reads.
#include <fmt/format.h>
#include <unistd.h>

#include "client/cli/entry_json.h"
#include "client/cli/runner.h"
#include "client/cli/text.h"
#include "client/cli/word_options.h"
#include "core/absl_text.h"
#include "core/progress.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

absl::StatusOr<v1::ScanRequest> export_request(std::span<const std::string> arguments) {
  const auto sorted = sort_words(arguments, find_command("export")->options);
  if (!sorted.ok()) return sorted.status();
  if (sorted->words.size() > 1) {
    return absl::InvalidArgumentError(fmt::format("Usage: {}", find_command("export")->usage));
  }
  v1::ScanRequest request;
  request.set_include_values(true);
  if (!sorted->words.empty()) request.mutable_range()->set_prefix(sorted->words.front());
  if (const auto token = sorted->value("--resume")) {
    auto bytes = bytes_of_base64(*token);
    if (!bytes || bytes->empty()) return absl::InvalidArgumentError("--resume takes what an earlier export printed");
    request.set_resume_token(*std::move(bytes));
  }
  return request;
}

// How many keys the server has, for the bar's share; 0, which is a bar without one, when it keeps its figures to
// itself. A scan that goes on from somewhere looks at fewer, and nobody knows at how many.
std::uint64_t keys_to_look_at(Connection& connection, const v1::ScanRequest& request) {
  if (!request.resume_token().empty()) return 0;
  const auto stats = connection.ask(methods::kGetStats, {});
  if (!stats.ok()) return 0;
  const auto keys = stats->gauges().find("kvstore_keys");
  return keys == stats->gauges().end() ? 0 : static_cast<std::uint64_t>(keys->second);
}

}  // namespace

ExitCode Runner::export_entries(Arguments arguments) {
  const auto request = export_request(arguments);
  if (!request.ok()) return misused(message_of(request.status()));
  // Where the lines themselves go to the terminal a bar would stand in their way.
  std::FILE* const terminal = ::isatty(STDOUT_FILENO) ? nullptr : bar_;
  Progress progress(terminal);
  progress.begin("exporting", terminal == nullptr ? 0 : keys_to_look_at(connection_, *request), 0, "entries");
  std::uint64_t entries = 0;
  std::string token;
  const absl::Status done = connection_.scan(*request, [&](const v1::ScanResponse& chunk) {
    for (const v1::Entry& entry : chunk.entries()) printer_.data(json_of(entry, true).dump() + "\n");
    entries += static_cast<std::uint64_t>(chunk.entries_size());
    token = chunk.resume_token();
    progress.reach(chunk.examined(), entries);
    return true;
  });
  progress.clear();
  if (done.ok()) return ExitCode::kDone;
  const ExitCode code = failed("Export", done);
  const std::string where = token.empty() ? "begin again" : fmt::format("go on with --resume {}", base64(token));
  printer_.hint(fmt::format("{} entries are exported; {}", entries, where));
  return code;
}

}  // namespace kv
