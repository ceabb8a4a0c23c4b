// txn: several reads and writes under conditions, in one step.
#include <algorithm>

#include <fmt/format.h>

#include "client/cli/answer.h"
#include "client/cli/runner.h"
#include "client/cli/text.h"
#include "client/cli/transaction_text.h"
#include "core/absl_text.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

const std::string& key_of(const v1::Operation& operation) {
  switch (operation.op_case()) {
    case v1::Operation::kGet:
      return operation.get().key();
    case v1::Operation::kSet:
      return operation.set().key();
    case v1::Operation::kDelete:
      return operation.delete_().key();
    case v1::Operation::kIncrement:
      return operation.increment().key();
    case v1::Operation::kAppend:
      return operation.append().key();
    default:
      return operation.set_expiry().key();
  }
}

// A word of the shell's command line as one of a transaction's text, where some characters mean more than in a line.
std::string clause_word(const std::string& word) {
  std::string written = kv::quoted(word);
  if (written != word) return written;
  for (std::size_t at = 0; (at = written.find(';', at)) != written.npos; at += 2) written.insert(at, "\\");
  return written.front() == '#' ? '\\' + written : written;
}

// What one operation did: for people, and as fields of its object.
std::string describe(const v1::OperationResult& result, Json& json) {
  switch (result.result_case()) {
    case v1::OperationResult::kGet: {
      json["found"] = result.get().has_entry();
      if (!result.get().has_entry()) return "Key not found";
      put_bytes(json, "value", result.get().entry().value());
      return fmt::format("Value: {}", shown(result.get().entry().value()));
    }
    case v1::OperationResult::kSet:
      json["applied"] = result.set().applied();
      return "set";
    case v1::OperationResult::kDelete:
      json["deleted"] = result.delete_().deleted();
      return result.delete_().deleted() ? "deleted" : "Key not found";
    case v1::OperationResult::kIncrement:
      json["value"] = result.increment().value();
      return fmt::format("Value: {}", result.increment().value());
    case v1::OperationResult::kAppend:
      json["length"] = result.append().length();
      return fmt::format("Length: {}", result.append().length());
    case v1::OperationResult::kSetExpiry:
      json["applied"] = result.set_expiry().applied();
      return result.set_expiry().applied() ? "expiry set" : "Key not found";
    default:
      return "not answered";
  }
}

}  // namespace

ExitCode Runner::txn(Arguments arguments) {
  std::string text;  // Several words are those of one clause; a session gives a text of several as one word.
  for (const std::string& word : arguments) text += (text.empty() ? "" : " ") + clause_word(word);
  if (arguments.size() == 1) {
    text = arguments.front();
    if (const ExitCode read = read_value("Txn", &text); read != ExitCode::kDone) return read;
  }
  const auto request = parse_transaction(text);
  if (!request.ok()) return misused(message_of(request.status()));
  const auto response = connection_.ask(methods::kTransact, *request);
  if (!response.ok()) return failed("Txn", response.status());
  const auto& operations = response->succeeded() ? request->then() : request->otherwise();
  Answer answer{.human = response->succeeded() ? "The conditions held" : "A condition did not hold"};
  if (request->comparisons().empty()) answer.human = "Done";
  answer.json = Json{{"succeeded", response->succeeded()}, {"results", Json::array()}};
  for (int i = 0; i < std::min(operations.size(), response->results_size()); ++i) {
    Json json = Json::object();
    put_bytes(json, "key", key_of(operations[i]));
    const std::string what = describe(response->results(i), json);
    answer.human += fmt::format("\n{}: {}", kv::quoted(key_of(operations[i])), what);
    answer.raw += fmt::format("{}{}", i == 0 ? "" : "\n", what);
    answer.json["results"].push_back(std::move(json));
  }
  if (response->write().replayed() && !operations.empty()) {
    answer.human += "\nThe first answer was lost, and with it what each operation saw; all were done, once";
  }
  put_write(answer.json, response->write());
  printer_.answer(answer);
  return response->succeeded() ? ExitCode::kDone : ExitCode::kMissing;
}

}  // namespace kv
