// The commands about many keys: mget, scan, delrange, export.
#include <fmt/format.h>

#include "client/cli/answer.h"
#include "client/cli/entry_json.h"
#include "client/cli/expiry_text.h"
#include "client/cli/runner.h"
#include "client/cli/text.h"
#include "client/cli/word_options.h"
#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

std::string usage_of(std::string_view command) { return fmt::format("Usage: {}", find_command(command)->usage); }

// [PREFIX] or --start and --end.
absl::Status fill_range(const SortedWords& sorted, std::string_view command, v1::KeyRange* range) {
  if (sorted.words.size() > 1) return refuse(usage_of(command));
  const bool bounded = sorted.has("--start") || sorted.has("--end");
  if (bounded && !sorted.words.empty()) return refuse("a prefix and --start or --end exclude each other");
  if (!sorted.words.empty()) range->set_prefix(sorted.words.front());
  range->set_start(sorted.value("--start").value_or(""));
  range->set_end(sorted.value("--end").value_or(""));
  return absl::OkStatus();
}

bool selects_all(const v1::KeyRange& range) {
  return range.prefix().empty() && range.start().empty() && range.end().empty();
}

std::string described(const v1::KeyRange& range) {
  if (selects_all(range)) return "every key";
  if (!range.prefix().empty()) return fmt::format("every key that begins with {}", kv::quoted(range.prefix()));
  std::string text = "every key";
  if (!range.start().empty()) text += fmt::format(" from {}", kv::quoted(range.start()));
  if (!range.end().empty()) text += fmt::format(" up to {}", kv::quoted(range.end()));
  return text;
}

absl::StatusOr<v1::ScanRequest> scan_request(const SortedWords& sorted, std::string_view command) {
  v1::ScanRequest request;
  if (absl::Status range = fill_range(sorted, command, request.mutable_range()); !range.ok()) return range;
  if (selects_all(request.range())) request.clear_range();
  request.set_glob(sorted.value("--glob").value_or(""));
  request.set_include_values(sorted.has("--values"));
  if (sorted.has("--relaxed")) request.set_consistency(v1::SCAN_CONSISTENCY_RELAXED);
  if (const auto limit = sorted.value("--limit")) {
    const auto number = parse_number(*limit);
    if (!number.ok() || *number == 0) return refuse(fmt::format("'{}' is no number of entries", *limit));
    request.set_limit(*number);
  }
  if (const auto token = sorted.value("--resume")) {
    auto bytes = bytes_of_base64(*token);
    if (!bytes || bytes->empty()) return refuse("--resume takes what an earlier run printed");
    request.set_resume_token(*std::move(bytes));
  }
  return request;
}

Row row_of(const v1::Entry& entry, bool with_value) {
  Row row{.json = json_of(entry, with_value)};
  row.json["version"] = entry.version();
  row.cells = {kv::quoted(entry.key())};
  if (with_value) row.cells.push_back(shown(entry.value()));
  row.cells.push_back(std::to_string(entry.version()));
  row.cells.push_back(entry.has_expire_time() ? moment(entry.expire_time()) : "");
  row.human =
      with_value ? fmt::format("{}: {}", kv::quoted(entry.key()), shown(entry.value())) : kv::quoted(entry.key());
  row.raw = with_value ? fmt::format("{}\t{}", escaped(entry.key()), escaped(entry.value())) : entry.key();
  return row;
}

std::vector<std::string> columns(bool with_value) {
  if (with_value) return {"KEY", "VALUE", "VERSION", "EXPIRES"};
  return {"KEY", "VERSION", "EXPIRES"};
}

}  // namespace

ExitCode Runner::mget(Arguments keys) {
  const auto entries = connection_.multi_get(keys);
  if (!entries.ok()) return failed("Mget", entries.status());
  ExitCode code = ExitCode::kDone;
  printer_.begin_rows(columns(true));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const v1::GetResponse& response = (*entries)[i];
    if (!response.has_entry()) code = ExitCode::kMissing;
    v1::Entry entry = response.entry();
    entry.set_key(keys[i]);
    Row row = row_of(entry, true);
    if (!response.has_entry()) {
      row = {
          .cells = {kv::quoted(keys[i]), "-", "-", ""}, .human = kv::quoted(keys[i]) + ": Key not found", .miss = true};
      put_bytes(row.json, "key", keys[i]);
    }
    row.json["found"] = response.has_entry();
    printer_.row(row);
  }
  printer_.end_rows();
  return code;
}

ExitCode Runner::scan(Arguments arguments) {
  const auto sorted = sort_words(arguments, find_command("scan")->options);
  if (!sorted.ok()) return misused(message_of(sorted.status()));
  const auto request = scan_request(*sorted, "scan");
  if (!request.ok()) return misused(message_of(request.status()));
  const bool values = request->include_values();
  std::string token;
  printer_.begin_rows(columns(values));
  const absl::Status done = connection_.scan(*request, [&](const v1::ScanResponse& chunk) {
    for (const v1::Entry& entry : chunk.entries()) printer_.row(row_of(entry, values));
    token = chunk.resume_token();
    return true;
  });
  printer_.end_rows();
  const ExitCode code = done.ok() ? ExitCode::kDone : failed("Scan", done);
  // A scan that came to its end has no token.
  if (!token.empty()) printer_.hint(fmt::format("there is more: go on with --resume {}", base64(token)));
  return code;
}

ExitCode Runner::delrange(Arguments arguments) {
  const auto sorted = sort_words(arguments, find_command("delrange")->options);
  if (!sorted.ok()) return misused(message_of(sorted.status()));
  v1::DeleteRangeRequest request;
  if (absl::Status range = fill_range(*sorted, "delrange", request.mutable_range()); !range.ok()) {
    return misused(message_of(range));
  }
  const bool all = selects_all(request.range());
  if (all != sorted->has("--all")) {
    return misused(all ? "name a prefix, --start or --end, or --all for every key" : "--all stands alone");
  }
  request.set_confirm_all(all);
  const bool dry_run = sorted->has("--dry-run");
  // Who does not ask has no use for the count: what the server says of the level holds where nothing matches, too.
  bool deletes = !dry_run && sorted->has("--yes");
  v1::DeleteRangeResponse response;
  if (!deletes) {
    request.set_dry_run(true);
    auto counted = connection_.ask(methods::kDeleteRange, request);
    if (!counted.ok()) return failed("Delrange", counted.status());
    response = *std::move(counted);
    deletes = !dry_run && response.deleted() > 0;
    if (deletes) {
      const std::string question =
          fmt::format("{} keys: {}. Delete them? [y/N] ", response.deleted(), described(request.range()));
      const auto yes = ask_person_ ? ask_person_(question) : std::nullopt;
      if (!yes) return misused("delrange asks before it deletes: give --yes where nobody can be asked");
      if (!*yes) {
        printer_.hint("Nothing was deleted");
        return ExitCode::kFailed;
      }
    }
  }
  if (deletes) {
    request.set_dry_run(false);
    auto deleted = connection_.ask(methods::kDeleteRange, request);
    if (!deleted.ok()) return failed("Delrange", deleted.status());
    response = *std::move(deleted);
  }
  Answer answer{.human = fmt::format("{}: {}", dry_run ? "Would delete" : "Deleted", response.deleted()),
                .raw = std::to_string(response.deleted())};
  answer.json = Json{{"deleted", response.deleted()}, {"dry_run", dry_run}};
  put_write(answer.json, response.write());
  printer_.answer(answer);
  if (response.write().replayed()) {
    printer_.hint(
        "The connection was lost, and this answer is that of another attempt: if the first one was cut short, the "
        "number "
        "is only of the keys that it had left");
  }
  return ExitCode::kDone;
}

}  // namespace kv
