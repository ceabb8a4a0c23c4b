// The commands about one value beyond set, get and del.
#include <optional>

#include <fmt/format.h>

#include "client/cli/answer.h"
#include "client/cli/expiry_text.h"
#include "client/cli/input.h"
#include "client/cli/runner.h"
#include "client/cli/text.h"
#include "client/cli/word_options.h"
#include "core/absl_text.h"
#include "core/progress.h"
#include "core/units.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

std::string usage_of(std::string_view command) { return fmt::format("Usage: {}", find_command(command)->usage); }

// What the options say about the test and the expiry of a cas; the positional words are what is left.
absl::StatusOr<v1::SetRequest> cas_request(const SortedWords& sorted) {
  v1::SetRequest request;
  const bool by_value = !sorted.has("--version") && !sorted.has("--absent");
  if (sorted.has("--version") && sorted.has("--absent")) return refuse("--version and --absent exclude each other");
  if (sorted.has("--ttl") && sorted.has("--keep-ttl")) return refuse("--ttl and --keep-ttl exclude each other");
  if (sorted.words.size() != (by_value ? 3u : 2u)) return refuse(usage_of("cas"));
  request.set_key(sorted.words[0]);
  request.set_value(sorted.words.back());
  if (by_value) request.mutable_precondition()->set_value_equals(sorted.words[1]);
  if (sorted.has("--absent")) request.mutable_precondition()->set_exists(false);
  if (const auto version = sorted.value("--version")) {
    const auto number = parse_number(*version);
    if (!number.ok()) return refuse(fmt::format("'{}' is no version", *version));
    request.mutable_precondition()->set_version_equals(*number);
  }
  if (sorted.has("--keep-ttl")) request.mutable_expiry()->set_keep(true);
  if (const auto ttl = sorted.value("--ttl")) {
    const auto expiry = parse_ttl(*ttl);
    if (!expiry.ok()) return expiry.status();
    *request.mutable_expiry() = *expiry;
  }
  return request;
}

Answer not_applied(const std::string& key, const v1::SetResponse& response) {
  Answer answer{.kind = Answer::Kind::kMiss, .json = with_key(key)};
  answer.json["applied"] = false;
  if (response.write().replayed()) {  // The first answer was lost, and with it what it showed.
    answer.human = "Not applied";
    return answer;
  }
  answer.json["found"] = response.has_previous();
  if (!response.has_previous()) {
    answer.human = "Not applied: there is no such key";
    return answer;
  }
  const v1::Entry& entry = response.previous();
  put_bytes(answer.json, "value", entry.value());
  answer.json["version"] = entry.version();
  answer.human = fmt::format("Not applied: version {}, value {}", entry.version(), shown(entry.value()));
  return answer;
}

}  // namespace

ExitCode Runner::cas(Arguments arguments) {
  const auto sorted = sort_words(arguments, find_command("cas")->options);
  if (!sorted.ok()) return misused(message_of(sorted.status()));
  auto request = cas_request(*sorted);
  if (!request.ok()) return misused(message_of(request.status()));
  v1::Precondition& test = *request->mutable_precondition();
  if (one_shot_ && test.has_value_equals() && test.value_equals() == "-" && request->value() == "-") {
    return misused("standard input can be one of the two values, not both");
  }
  if (test.has_value_equals()) {
    const ExitCode read = read_value("Cas", test.mutable_value_equals());
    if (read != ExitCode::kDone) return read;
  }
  if (const ExitCode read = read_value("Cas", request->mutable_value()); read != ExitCode::kDone) return read;
  const std::string key = request->key();
  const auto response = connection_.ask(methods::kSet, *std::move(request));
  if (!response.ok()) return failed("Cas", response.status());
  if (!response->applied()) {
    printer_.answer(not_applied(key, *response));
    return ExitCode::kMissing;
  }
  Answer answer{.kind = Answer::Kind::kSuccess, .json = with_key(key), .human = "Cas operation successful"};
  answer.json["applied"] = true;
  put_write(answer.json, response->write());
  printer_.answer(answer);
  return ExitCode::kDone;
}

ExitCode Runner::ttl(const std::string& key) {
  v1::GetRequest request;
  request.set_key(key);
  request.set_omit_value(true);
  const auto response = connection_.ask(methods::kGet, std::move(request));
  if (!response.ok()) return failed("Ttl", response.status());
  if (!response->has_entry()) {
    printer_.missing(key);
    return ExitCode::kMissing;
  }
  const v1::Entry& entry = response->entry();
  Answer answer{.json = with_key(key), .human = "Does not expire", .raw = "never"};
  answer.json["found"] = true;
  answer.json["expire_time"] = nullptr;
  if (entry.has_expire_time()) {
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
    const std::int64_t left = std::max<std::int64_t>(0, unix_millis(entry.expire_time()) - now.count());
    answer.json["expire_time"] = moment(entry.expire_time());
    answer.json["ttl_ms"] = left;
    answer.human = fmt::format("Expires in {}, at {}", about_so_long(std::chrono::milliseconds(left)),
                               moment(entry.expire_time()));
    answer.raw = std::to_string(left);
  }
  printer_.answer(answer);
  return ExitCode::kDone;
}

}  // namespace kv
