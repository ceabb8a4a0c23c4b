#include "tests/linearizability/wire.h"

#include <stdexcept>

#include <fmt/format.h>

namespace kv::linearizability {
namespace {

void fill(const Condition& condition, v1::Precondition& message) {
  switch (condition.test) {
    case Condition::Test::kNone:
      throw std::logic_error("a condition that says nothing");
    case Condition::Test::kThere:
    case Condition::Test::kMissing:
      return message.set_exists(condition.test == Condition::Test::kThere);
    case Condition::Test::kVersion:
      return message.set_version_equals(condition.version);
    case Condition::Test::kValue:
      return message.set_value_equals(condition.value);
  }
}

template <class Request>
void fill_write(const Step& step, const std::string& id, Request& request) {
  request.set_key(name_of_key(step.key));
  if (!id.empty()) request.mutable_options()->set_request_id(id);
}

Shown shown_as(bool there, const v1::Entry& entry) {
  if (!there) return {};
  return {true, entry.value(), entry.version()};
}

const v1::WriteResult& write_of(const v1::OperationResult& result) {
  switch (result.result_case()) {
    case v1::OperationResult::kSet:
      return result.set().write();
    case v1::OperationResult::kDelete:
      return result.delete_().write();
    case v1::OperationResult::kIncrement:
      return result.increment().write();
    case v1::OperationResult::kAppend:
      return result.append().write();
    default:
      return v1::WriteResult::default_instance();
  }
}

// Entries are not kept for a retry: their absence in a replayed answer says nothing.
StepAnswer answer_of(const v1::OperationResult& result) {
  const bool replayed = is_replayed(result);
  StepAnswer answer;
  const auto found = [&](bool applied, bool there, const v1::Entry& entry) {
    answer.applied = applied;
    if (there || (!applied && !replayed)) answer.before = shown_as(there, entry);
  };
  switch (result.result_case()) {
    case v1::OperationResult::kGet:
      answer.before = shown_by(result.get());
      break;
    case v1::OperationResult::kSet:
      found(result.set().applied(), result.set().has_previous(), result.set().previous());
      break;
    case v1::OperationResult::kDelete:
      found(result.delete_().deleted(), result.delete_().has_previous(), result.delete_().previous());
      break;
    case v1::OperationResult::kIncrement:
      answer.number = result.increment().value();
      break;
    case v1::OperationResult::kAppend:
      answer.number = static_cast<std::int64_t>(result.append().length());
      break;
    default:
      throw std::runtime_error("a result that nobody asked for: " + result.ShortDebugString());
  }
  return answer;
}

template <class Results>
void take_results(const Results& results, Operation& operation) {
  operation.results.clear();
  for (const v1::OperationResult& result : results) {
    if (result.has_error()) {
      operation.refusal = result.error().reason();
      operation.results.clear();
      return;
    }
    operation.results.push_back(answer_of(result));
  }
}

}  // namespace

std::string name_of_key(unsigned key) { return fmt::format("key {}", key); }

v1::Operation message_of(const Step& step, const std::string& id) {
  v1::Operation message;
  switch (step.kind) {
    case Step::Kind::kGet:
      message.mutable_get()->set_key(name_of_key(step.key));
      break;
    case Step::Kind::kSet:
      fill_write(step, id, *message.mutable_set());
      message.mutable_set()->set_value(step.text);
      if (step.condition.test != Condition::Test::kNone)
        fill(step.condition, *message.mutable_set()->mutable_precondition());
      break;
    case Step::Kind::kDelete:
      fill_write(step, id, *message.mutable_delete_());
      if (step.condition.test != Condition::Test::kNone)
        fill(step.condition, *message.mutable_delete_()->mutable_precondition());
      break;
    case Step::Kind::kIncrement:
      fill_write(step, id, *message.mutable_increment());
      message.mutable_increment()->set_delta(step.delta);
      break;
    case Step::Kind::kAppend:
      fill_write(step, id, *message.mutable_append());
      message.mutable_append()->set_suffix(step.text);
      break;
  }
  return message;
}

v1::TransactRequest transaction_of(const Operation& operation, const std::string& id) {
  v1::TransactRequest request;
  for (const Comparison& comparison : operation.comparisons) {
    v1::Comparison& message = *request.add_comparisons();
    message.set_key(name_of_key(comparison.key));
    fill(comparison.condition, *message.mutable_precondition());
  }
  for (const Step& step : operation.then) *request.add_then() = message_of(step, {});
  for (const Step& step : operation.otherwise) *request.add_otherwise() = message_of(step, {});
  if (!id.empty()) request.mutable_options()->set_request_id(id);
  return request;
}

v1::PipelineRequest pipeline_message_of(const Operation& operation, const std::string& id) {
  v1::PipelineRequest request;
  request.set_atomic(operation.then.size() > 1);
  for (const Step& step : operation.then) *request.add_operations() = message_of(step, request.atomic() ? "" : id);
  if (request.atomic() && !id.empty()) request.mutable_options()->set_request_id(id);
  return request;
}

Shown shown_by(const v1::GetResponse& response) { return shown_as(response.has_entry(), response.entry()); }

bool is_replayed(const v1::OperationResult& result) { return write_of(result).replayed(); }

void take_answer(const v1::OperationResult& result, Operation& operation) {
  operation.revision = write_of(result).revision();
  take_results(std::array{result}, operation);
}

void take_answer(const v1::TransactResponse& response, Operation& operation) {
  operation.succeeded = response.succeeded();
  operation.revision = response.write().revision();
  take_results(response.results(), operation);
}

void take_answer(const v1::PipelineResponse& response, Operation& operation) {
  operation.revision = response.write().revision();
  take_results(response.results(), operation);
}

}  // namespace kv::linearizability
