// The steps of a program in which several operations are one change, or none: a transaction, an atomic message.
#include <algorithm>

#include <fmt/format.h>

#include "tests/programs/program.h"

namespace kv::programs {
namespace {

// What the operations of a transaction that failed had made has no revision; it is newer than anything.
constexpr std::uint64_t kUnborn = UINT64_MAX;

bool any_writes(const google::protobuf::RepeatedPtrField<v1::Operation>& operations) {
  return std::any_of(operations.begin(), operations.end(), writes);
}

}  // namespace

Program::Together Program::together(const Operations& operations, std::uint64_t revision, const Setting& setting,
                                    const Results* seen) const {
  Together made{.after = model_, .results = {}, .failed_at = {}};
  for (int i = 0; i < operations.size(); ++i) {
    const v1::OperationResult* one = seen != nullptr && i < seen->size() ? &seen->Get(i) : nullptr;
    made.results.push_back(made.after.answer(operations[i], revision, setting, one));
    made.changes = made.changes || revision_of(made.results.back()) != 0;
    if (!made.results.back().has_error()) continue;
    made.failed_at = static_cast<std::size_t>(i);
    break;
  }
  return made;
}

void Program::transact() {
  v1::TransactRequest request;
  for (std::uint64_t i = generator_.below(3); i > 0; --i) {
    v1::Comparison& comparison = *request.add_comparisons();
    comparison.set_key(generator_.key());
    *comparison.mutable_precondition() = generator_.precondition(model_, comparison.key());
  }
  for (std::uint64_t i = generator_.below(6); i > 0; --i) *request.add_then() = generator_.operation(model_);
  for (std::uint64_t i = generator_.below(3); i > 0; --i) *request.add_otherwise() = generator_.operation(model_);
  fill_options(*request.mutable_options());
  note("transaction", request);

  const bool succeeds = std::all_of(request.comparisons().begin(), request.comparisons().end(),
                                    [&](const auto& each) { return model_.holds(each.key(), each.precondition()); });
  const Operations& branch = succeeds ? request.then() : request.otherwise();
  const Setting how = setting(request.options().durability());
  const auto reply = target_.transact(request);
  const std::uint64_t revision = reply.response.write().revision();
  Together made = together(branch, revision != 0 ? revision : kUnborn, how, &reply.response.results());
  const bool again =
      !request.options().request_id().empty() && (any_writes(request.then()) || any_writes(request.otherwise()));
  if (made.failed_at) {
    const v1::OperationError error = made.results.back().error();
    const std::string place = fmt::format("{}[{}]", succeeds ? "then" : "otherwise", *made.failed_at);
    const auto judge_error = [this, error, place](const Reply<v1::TransactResponse>& answer) {
      expect(answer.status.error_code() == error.code() && answer.reason() == error.reason() &&
                 answer.status.error_message().find(place) != std::string::npos,
             fmt::format("answered {} {}, and should be {} of {}", static_cast<int>(answer.status.error_code()),
                         answer.status.error_message(), error.reason(), place));
    };
    judge_error(reply);
    if (!again) return;
    retries_.emplace_back([this, request, judge_error] {
      note("again", request);
      judge_error(target_.transact(request));
    });
    return;
  }
  expect(reply.status.ok(), "a transaction failed: " + reply.status.error_message());
  v1::TransactResponse should;
  should.set_succeeded(succeeds);
  should.mutable_write()->set_durability(how.level);
  if (made.changes) should.mutable_write()->set_revision(revision);
  v1::TransactResponse shortened = should;
  *shortened.mutable_write() = as_replayed(should.write());
  for (const v1::OperationResult& result : made.results) *should.add_results() = result;
  v1::TransactResponse is = reply.response;
  for (v1::OperationResult& result : *is.mutable_results()) result = without_choices(result);
  expect_equal(is, should);
  expect(!made.changes || revision != 0, "a transaction that changes something has no revision");
  judge_changed(revision, floor_);
  model_ = std::move(made.after);
  if (!again) return;
  retries_.emplace_back([this, request, shortened] {
    note("again", request);
    const auto answer = target_.transact(request);
    expect(answer.status.ok(), "a retry failed: " + answer.status.error_message());
    expect_equal(answer.response, shortened);
  });
}

void Program::atomic_message() {
  v1::PipelineRequest request;
  request.set_id(generator_.below(1000));
  request.set_atomic(true);
  for (std::uint64_t i = 1 + generator_.below(5); i > 0; --i) *request.add_operations() = generator_.operation(model_);
  fill_options(*request.mutable_options());
  note("atomic message", request);
  const Setting how = setting(request.options().durability());
  const v1::PipelineResponse response = target_.pipeline(request);
  const std::uint64_t revision = response.write().revision();
  Together made = together(request.operations(), revision != 0 ? revision : kUnborn, how, &response.results());
  v1::PipelineResponse should, again;
  should.set_id(request.id());
  if (made.failed_at) {  // Nothing was written, and the answer has no `write`.
    for (int i = 0; i < request.operations_size(); ++i) *should.add_results() = made.results.back();
    again = should;
  } else {
    should.mutable_write()->set_durability(how.level);
    if (made.changes) should.mutable_write()->set_revision(revision);
    again = should;
    *again.mutable_write() = as_replayed(should.write());
    for (const v1::OperationResult& result : made.results) *should.add_results() = result;
  }
  const auto cleaned = [](v1::PipelineResponse answer) {
    for (v1::OperationResult& result : *answer.mutable_results()) result = without_choices(result);
    return answer;
  };
  expect_equal(cleaned(response), should);
  if (!made.failed_at) {
    judge_changed(revision, floor_);
    model_ = std::move(made.after);
  }
  if (request.options().request_id().empty() || !any_writes(request.operations())) return;
  retries_.emplace_back([this, request, again, cleaned] {
    note("again", request);
    expect_equal(cleaned(target_.pipeline(request)), again);
  });
}

}  // namespace kv::programs
