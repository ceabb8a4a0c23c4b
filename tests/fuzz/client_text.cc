// What people type or pipe into the client: the text of a transaction, and a line of an import.
#include <string>

#include "absl/status/status.h"
#include "client/cli/entry_json.h"
#include "client/cli/transaction_text.h"
#include "tests/fuzz/target.h"

namespace kv::fuzz {
namespace {

// A refusal is the user's fault, says why, and nothing else.
void check(const absl::Status& status) {
  if (status.ok()) return;
  if (status.code() != absl::StatusCode::kInvalidArgument) wrong(status.ToString());
  if (status.message().empty()) wrong("refused without a reason");
}

}  // namespace

void decode(Bytes input) {
  const std::string text(as_text(input));
  const auto transaction = parse_transaction(text);
  check(transaction.status());
  const auto set = set_request_of(text);
  if (transaction.ok() || set.ok()) ++taken;
  check(set.status());
  if (!set.ok() || set->has_expiry()) return;
  // What an import takes, an export writes so that it is taken again.
  kvstore::v1::Entry entry;
  entry.set_key(set->key());
  entry.set_value(set->value());
  const auto again = set_request_of(json_of(entry, true).dump());
  if (!again.ok()) wrong(again.status().ToString());
  if (again->key() != set->key() || again->value() != set->value()) wrong("another entry the second time");
}

}  // namespace kv::fuzz
