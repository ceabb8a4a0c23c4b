// The commands that change what a value is: incr, append; and expire, which changes how long it is.
#include <optional>

#include <fmt/format.h>

#include "client/cli/answer.h"
#include "client/cli/expiry_text.h"
#include "client/cli/number_text.h"
#include "client/cli/runner.h"
#include "client/cli/word_options.h"
#include "core/absl_text.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

std::string usage_of(std::string_view command) { return fmt::format("Usage: {}", find_command(command)->usage); }

// The numbers of an incr, by the words that give them.
absl::Status fill_numbers(const SortedWords& sorted, v1::IncrementRequest& request) {
  struct Number {
    std::optional<std::string> word;
    void (v1::IncrementRequest::*set)(std::int64_t);
  };
  const Number numbers[] = {
      {sorted.words.size() > 1 ? std::optional(sorted.words[1]) : std::nullopt, &v1::IncrementRequest::set_delta},
      {sorted.value("--initial"), &v1::IncrementRequest::set_initial},
      {sorted.value("--min"), &v1::IncrementRequest::set_min},
      {sorted.value("--max"), &v1::IncrementRequest::set_max},
  };
  for (const Number& number : numbers) {
    if (!number.word) continue;
    const auto value = parse_signed(*number.word);
    if (!value.ok()) return value.status();
    (request.*number.set)(*value);
  }
  return absl::OkStatus();
}

}  // namespace

ExitCode Runner::incr(Arguments arguments) {
  const auto sorted = sort_words(arguments, find_command("incr")->options);
  if (!sorted.ok()) return misused(message_of(sorted.status()));
  if (sorted->words.empty() || sorted->words.size() > 2) return misused(usage_of("incr"));
  v1::IncrementRequest request;
  request.set_key(sorted->words[0]);
  request.set_delta(1);
  request.set_saturate(sorted->has("--saturate"));
  if (absl::Status numbers = fill_numbers(*sorted, request); !numbers.ok()) return misused(message_of(numbers));
  if (const auto ttl = sorted->value("--ttl")) {
    const auto expiry = parse_ttl(*ttl);
    if (!expiry.ok()) return misused(message_of(expiry.status()));
    *request.mutable_expiry() = *expiry;
  }
  const auto response = connection_.ask(methods::kIncrement, request);
  if (!response.ok()) return failed("Incr", response.status());
  Answer answer{.json = with_key(request.key()),
                .human = fmt::format("Value: {}", response->value()),
                .raw = std::to_string(response->value())};
  answer.json["value"] = response->value();
  answer.json["created"] = response->created();
  put_write(answer.json, response->write());
  printer_.answer(answer);
  return ExitCode::kDone;
}

ExitCode Runner::append(Arguments arguments) {
  v1::AppendRequest request;
  request.set_key(arguments.front());
  request.set_suffix(joined_by_blanks(arguments.subspan(1)));
  if (arguments.size() == 2) {
    if (const ExitCode read = read_value("Append", request.mutable_suffix()); read != ExitCode::kDone) return read;
  }
  const auto response = connection_.ask(methods::kAppend, request);
  if (!response.ok()) return failed("Append", response.status());
  Answer answer{.json = with_key(request.key()),
                .human = fmt::format("Length: {}", response->length()),
                .raw = std::to_string(response->length())};
  answer.json["length"] = response->length();
  put_write(answer.json, response->write());
  printer_.answer(answer);
  return ExitCode::kDone;
}

ExitCode Runner::expire(Arguments arguments) {
  const auto expiry = parse_expiry(arguments[1]);
  if (!expiry.ok()) return misused(message_of(expiry.status()));
  v1::SetExpiryRequest request;
  request.set_key(arguments[0]);
  *request.mutable_expiry() = *expiry;
  const auto response = connection_.ask(methods::kSetExpiry, request);
  if (!response.ok()) return failed("Expire", response.status());
  if (!response->applied()) {
    printer_.missing(request.key());
    return ExitCode::kMissing;
  }
  Answer answer{
      .kind = Answer::Kind::kSuccess, .json = with_key(request.key()), .human = "Expire operation successful"};
  answer.json["applied"] = true;
  if (!response->write().replayed()) answer.json["expire_time"] = nullptr;  // else it is not told again
  if (response->entry().has_expire_time()) answer.json["expire_time"] = moment(response->entry().expire_time());
  put_write(answer.json, response->write());
  printer_.answer(answer);
  return ExitCode::kDone;
}

}  // namespace kv
