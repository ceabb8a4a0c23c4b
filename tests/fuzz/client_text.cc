// What people type or pipe into the client: a line as words, the arguments of `config`, times of expiry, patterns of
// keys, the text of a transaction, a line of an import. Each input is tried as all of them.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/admin_settings.h"
#include "client/cli/config_arguments.h"
#include "client/cli/entry_json.h"
#include "client/cli/expiry_text.h"
#include "client/cli/glob.h"
#include "client/cli/line.h"
#include "client/cli/text.h"
#include "client/cli/transaction_text.h"
#include "tests/fuzz/target.h"

namespace kv::fuzz {
namespace {

constexpr std::size_t kMatchedBytesMax = 1000;

// A refusal is the user's fault, says why, and nothing else.
void check(const absl::Status& status) {
  if (status.ok()) return;
  if (status.code() != absl::StatusCode::kInvalidArgument) wrong(status.ToString());
  if (status.message().empty()) wrong("refused without a reason");
}

// ---- Lines ------------------------------------------------------------------------------------------------------

// Words quoted by us read back as themselves, and any bytes can be typed.
void read_line(const std::string& line) {
  const auto words = line_words(line);
  check(words.status());
  const auto typed = line_words(kv::quoted(line));
  if (!typed.ok() || typed->size() != 1 || typed->front() != line) wrong("cannot be typed: " + kv::quoted(line));
  if (!is_printable(kv::quoted(line)) || !is_printable(escaped(line)) || !is_printable(harmless(line)))
    wrong("moves a terminal's cursor");
  if (!words.ok()) return;
  std::string written;
  for (const std::string& word : *words) written += kv::quoted(word) + ' ';
  const auto again = line_words(written);
  if (!again.ok() || *again != *words) wrong("other words the second time: " + written);
}

// ---- The arguments of `config` ----------------------------------------------------------------------------------

std::vector<std::string> config_words(const kvstore::ConfigRequest& request) {
  std::vector<std::string> words = {std::string(kModeWords[request.storage_mode()])};
  for (const std::int64_t number :
       {std::int64_t{request.snapshot_interval()}, std::int64_t{request.max_snapshots()}, request.aof_max_size()}) {
    if (number != 0) words.push_back(std::to_string(number));
  }
  return words;
}

void read_config(const std::string& line) {
  const auto words = line_words(line);
  if (!words.ok()) return;
  const auto request = parse_config(*words);
  check(request.status());
  if (!request.ok()) return;
  ++taken;
  const bool snapshots = request->storage_mode() == kvstore::SNAPSHOT || request->storage_mode() == kvstore::HYBRID;
  const bool log = request->storage_mode() == kvstore::AOF || request->storage_mode() == kvstore::HYBRID;
  const bool numbers = words->size() > 1;  // Else the defaults are asked for, which zeros mean.
  const auto is = [](std::int64_t value, bool given) { return given ? value > 0 : value == 0; };
  if (!is(request->snapshot_interval(), snapshots && numbers) || !is(request->max_snapshots(), snapshots && numbers) ||
      !is(request->aof_max_size(), log && numbers)) {
    wrong("a number by mistake: " + request->ShortDebugString());
  }
  const auto again = parse_config(config_words(*request));
  if (!again.ok() || again->SerializeAsString() != request->SerializeAsString())
    wrong("another request the second time: " + request->ShortDebugString());
}

// What `config get` shows of settings, `config set` takes, and they are the same.
void read_settings(const std::string& line) {
  const auto words = line_words(line);
  if (!words.ok()) return;
  const auto request = parse_config_set(*words);
  check(request.status());
  if (!request.ok()) return;
  ++taken;
  kvstore::v1::GetConfigResponse response;
  *response.mutable_config() = request->config();
  for (const std::string& path : request->update_mask().paths()) response.add_fields()->set_path(path);
  std::vector<std::string> typed;
  for (const ShownSetting& one : shown_settings(response, {})) typed.push_back(std::string(one.name) + '=' + one.value);
  const auto again = parse_config_set(typed);
  if (!again.ok() || again->config().SerializeAsString() != request->config().SerializeAsString())
    wrong("other settings the second time: " + request->ShortDebugString() + again.status().ToString());
}

// ---- Times ------------------------------------------------------------------------------------------------------

void read_expiry(const std::string& text) {
  const auto ttl = parse_ttl(text);
  const auto expiry = parse_expiry(text);
  check(ttl.status());
  check(expiry.status());
  if (ttl.ok() && (!expiry.ok() || !expiry->has_ttl())) wrong("a duration, and no expiry: " + text);
  if (!expiry.ok()) return;
  ++taken;
  if (expiry->has_ttl() && expiry->ttl().seconds() <= 0 && expiry->ttl().nanos() <= 0) wrong("no time at all: " + text);
  if (!expiry->has_at()) return;
  // What is shown of it is the same moment, to the millisecond.
  const auto again = parse_moment(moment(expiry->at()));
  if (!again.ok() || unix_millis(*again) != unix_millis(expiry->at())) wrong("another moment: " + moment(expiry->at()));
}

// ---- Patterns ---------------------------------------------------------------------------------------------------

std::string literally(std::string_view key) {
  std::string pattern;
  for (const char c : key) {
    pattern += '\\';
    pattern += c;
  }
  return pattern;
}

// A line with the pattern, then the key.
void match(std::string_view text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view pattern = text.substr(0, std::min(end, kMatchedBytesMax));
  const std::string_view key = text.substr(std::min(text.size(), end + 1)).substr(0, kMatchedBytesMax);
  const bool matches = glob_matches(pattern, key);
  if (!glob_matches("*", key) || !glob_matches(literally(key), key)) wrong("a key does not match itself");
  if (glob_matches(literally(key), std::string(key) + 'x')) wrong("a key matches another");
  const std::string open_end = std::string(pattern) + '*', open_beginning = '*' + std::string(pattern);
  if (matches && !glob_matches(open_beginning, key)) wrong("not with anything in front");
  const bool plain = pattern.find_first_of("\\[") == pattern.npos;
  if (matches && plain && !glob_matches(open_end, std::string(key) + "more")) wrong("not with anything behind");
  if (plain && pattern.find_first_of("*?") == pattern.npos && matches != (pattern == key))
    wrong("no pattern, and not equal");
}

// ---- Transactions and entries -----------------------------------------------------------------------------------

// What an import takes, an export writes so that it is taken again.
void read_entry(const std::string& text) {
  const auto set = set_request_of(text);
  check(set.status());
  if (!set.ok()) return;
  ++taken;
  if (set->has_expiry()) return;
  kvstore::v1::Entry entry;
  entry.set_key(set->key());
  entry.set_value(set->value());
  const auto again = set_request_of(json_of(entry, true).dump());
  if (!again.ok()) wrong(again.status().ToString());
  if (again->key() != set->key() || again->value() != set->value()) wrong("another entry the second time");
}

void read_transaction(const std::string& text) {
  const auto transaction = parse_transaction(text);
  check(transaction.status());
  if (transaction.ok()) ++taken;
}

}  // namespace

void decode(Bytes input) {
  const std::string text(as_text(input));
  read_line(text);
  read_config(text);
  read_settings(text);
  read_expiry(text);
  match(text);
  read_transaction(text);
  read_entry(text);
}

}  // namespace kv::fuzz
