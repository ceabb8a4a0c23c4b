#include "tests/programs/program.h"

#include <algorithm>
#include <chrono>
#include <set>

#include <fmt/format.h>

namespace kv::programs {
namespace {

// How far the server's clock may be from this program's, and how long a call may take: it has 30 s.
constexpr std::int64_t kClockMillis = 60000;
// What the operations of a transaction that failed had made has no revision; it is newer than anything.
constexpr std::uint64_t kUnborn = UINT64_MAX;

std::int64_t now_millis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool writes(const v1::Operation& operation) { return !operation.has_get(); }

bool any_writes(const google::protobuf::RepeatedPtrField<v1::Operation>& operations) {
  return std::any_of(operations.begin(), operations.end(), writes);
}

v1::WriteResult replayed(v1::WriteResult write) {
  write.set_replayed(true);
  return write;
}

}  // namespace

Program::Program(std::uint64_t seed, const ProgramOptions& options, Target& target, std::uint64_t& floor,
                 std::map<std::string, std::uint64_t>& counts)
    : options_(options),
      target_(target),
      floor_(floor),
      counts_(counts),
      generator_(seed, fmt::format("program {}/", seed)) {}

void Program::run() {
  for (std::uint64_t i = 0; i < options_.steps; ++i) step();
  look_at_all();
  for (const Retry& retry : retries_) retry();
  look_at_all();
  v1::DeleteRangeRequest rest;
  rest.mutable_range()->set_prefix(generator_.prefix());
  const auto removed = target_.delete_range(rest);
  expect(removed.status.ok() && removed.response.deleted() == model_.data().size(), "the rest was not deleted");
  judge_changed(removed.response.write().revision(), floor_);
}

std::string Program::trace() const {
  std::string text;
  for (const std::string& line : trace_) text += "  " + line + "\n";
  return text;
}

void Program::note(const std::string& what, const google::protobuf::Message& request) {
  trace_.push_back(what + " { " + request.ShortDebugString() + " }");
  std::string name = what;
  std::replace(name.begin(), name.end(), ' ', '_');
  count(name);
}

void Program::step() {
  if (generator_.one_in(options_.restart_one_in)) return restart(options_.survives_kill && generator_.one_in(2));
  switch (generator_.below(20)) {
    case 0:
    case 1:
      return transact();
    case 2:
      return atomic_message();
    case 3:
    case 4:
      return plain_message();
    case 5:
      return look_at_many();
    case 6:
      return generator_.one_in(2) ? look_at_all() : delete_range();
    case 7:
    case 8:
      return send_again();
    case 9:
      return another_under_an_id();
    default:
      return single();
  }
}

// ---- What is asked for

void Program::fill_options(v1::WriteOptions& options) {
  if (options_.has_log && generator_.one_in(4))
    options.set_durability(static_cast<v1::Durability>(1 + generator_.below(3)));
  if (generator_.one_in(2)) options.set_request_id(generator_.request_id());
}

v1::Operation Program::operation() {
  v1::Operation operation = generator_.operation(model_);
  if (v1::WriteOptions* options = options_of(operation); options != nullptr) fill_options(*options);
  return operation;
}

Setting Program::setting(v1::Durability asked) const {
  const std::int64_t now = now_millis();
  return {.level = asked == v1::DURABILITY_UNSPECIFIED ? options_.level : asked,
          .called = {now - kClockMillis, now + kClockMillis}};
}

// ---- One operation

void Program::judge_changed(std::uint64_t revision, std::uint64_t floor) {
  if (revision == 0) return;
  expect(revision > floor, fmt::format("revision {} was given away before ({})", revision, floor));
  floor_ = std::max(floor_, revision);
}

void Program::judge(const v1::Operation& operation, const v1::OperationResult& result, const Setting& setting,
                    std::uint64_t floor) {
  const std::uint64_t revision = revision_of(result);
  expect_equal(without_choices(result), model_.answer(operation, revision, setting, &result));
  judge_changed(revision, floor);
}

void Program::remember(const v1::Operation& operation, const v1::OperationResult& result) {
  v1::Operation copy = operation;
  const v1::WriteOptions* options = options_of(copy);
  if (options == nullptr || options->request_id().empty()) return;
  with_ids_.push_back(operation);
  retries_.emplace_back([this, operation, expected = as_replayed(without_choices(result))] {
    note("again", operation);
    if (generator_.one_in(2)) return expect_equal(without_choices(target_.run(operation)), expected);
    v1::PipelineRequest message;
    *message.add_operations() = operation;
    const v1::PipelineResponse response = target_.pipeline(message);
    expect(response.results_size() == 1, "a message with one operation has not one result");
    expect_equal(without_choices(response.results(0)), expected);
  });
}

void Program::single() {
  const v1::Operation asked = operation();
  note("call", asked);
  v1::Operation copy = asked;
  const v1::WriteOptions* options = options_of(copy);
  const Setting how = setting(options == nullptr ? v1::DURABILITY_UNSPECIFIED : options->durability());
  const v1::OperationResult result = target_.run(asked);
  judge(asked, result, how, floor_);
  remember(asked, result);
}

void Program::plain_message() {
  v1::PipelineRequest request;
  request.set_id(generator_.below(5));
  if (options_.has_log && generator_.one_in(3))
    request.mutable_options()->set_durability(static_cast<v1::Durability>(1 + generator_.below(3)));
  std::vector<int> copy_of;  // the operation that has the same id, or -1
  for (std::uint64_t i = generator_.below(12); i > 0; --i) {
    v1::Operation next = operation();
    int copied = -1;
    if (request.operations_size() > 0 && generator_.one_in(6)) {
      const int candidate = static_cast<int>(generator_.below(static_cast<std::uint64_t>(request.operations_size())));
      v1::Operation old = request.operations(candidate);
      const v1::WriteOptions* options = options_of(old);
      if (options != nullptr && !options->request_id().empty() && copy_of[static_cast<std::size_t>(candidate)] < 0) {
        next = old;
        copied = candidate;
      }
    }
    *request.add_operations() = next;
    copy_of.push_back(copied);
  }
  note("message", request);
  const v1::PipelineResponse response = target_.pipeline(request);
  expect(response.results_size() == request.operations_size(), "not one result for each operation");
  const std::uint64_t floor = floor_;
  std::set<std::uint64_t> revisions;
  for (int i = 0; i < request.operations_size(); ++i) {
    const v1::OperationResult& result = response.results(i);
    if (const int first = copy_of[static_cast<std::size_t>(i)]; first >= 0) {
      expect_equal(without_choices(result), as_replayed(without_choices(response.results(first))));
      continue;
    }
    v1::Operation asked = request.operations(i);
    const v1::WriteOptions* options = options_of(asked);
    const bool own = options != nullptr && options->durability() != v1::DURABILITY_UNSPECIFIED;
    const Setting how = setting(own ? options->durability() : request.options().durability());
    // Sent again alone it has no message that says the level.
    if (options != nullptr && !own) options_of(asked)->set_durability(request.options().durability());
    judge(request.operations(i), result, how, floor);
    remember(asked, result);
    const std::uint64_t revision = revision_of(result);
    expect(revision == 0 || revisions.insert(revision).second, "two changes of a message have one revision");
  }
  expect(response.write().revision() == (revisions.empty() ? 0 : *revisions.rbegin()),
         "the revision of a message is not its highest");
}

// ---- Several as one

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
  *shortened.mutable_write() = replayed(should.write());
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
  should.mutable_write()->set_durability(how.level);
  if (made.failed_at) {
    for (int i = 0; i < request.operations_size(); ++i) *should.add_results() = made.results.back();
    again = should;
  } else {
    if (made.changes) should.mutable_write()->set_revision(revision);
    again = should;
    *again.mutable_write() = replayed(should.write());
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

// ---- Many keys

void Program::look_at_many() {
  v1::MultiGetRequest request;
  for (std::uint64_t i = generator_.below(8); i > 0; --i) request.add_keys(generator_.key());
  request.set_omit_values(generator_.one_in(3));
  request.set_consistent(generator_.one_in(2));
  note("multi get", request);
  const std::vector<v1::GetResponse> results = target_.multi_get(request);
  expect(results.size() == static_cast<std::size_t>(request.keys_size()), "not one result for each key");
  for (int i = 0; i < request.keys_size(); ++i) {
    v1::GetRequest get;
    get.set_key(request.keys(i));
    get.set_omit_value(request.omit_values());
    const v1::GetResponse& result = results[static_cast<std::size_t>(i)];
    expect_equal(without_choices(result), model_.get(get, result.has_entry() ? &result.entry() : nullptr));
  }
}

void Program::look_at_all() {
  v1::ScanRequest request;
  request.mutable_range()->set_prefix(generator_.prefix());
  request.set_include_values(generator_.one_in(2));
  if (generator_.one_in(2)) request.set_consistency(v1::SCAN_CONSISTENCY_RELAXED);
  if (generator_.one_in(2)) request.set_max_chunk_bytes(300);
  note("scan", request);
  std::map<std::string, v1::Entry> shown;
  for (const v1::Entry& entry : target_.scan(request))
    expect(shown.try_emplace(entry.key(), entry).second, "a scan shows a key twice");
  for (const auto& [key, held] : model_.data()) {
    const auto found = shown.find(key);
    expect(found != shown.end(), "a scan does not show " + key);
    v1::Entry should = model_.entry(key, request.include_values(), &found->second);
    should.set_key(key);
    expect_equal(without_choices(found->second), should);
  }
  expect(shown.size() == model_.data().size(), "a scan shows a key that should not be there");
}

void Program::delete_range() {
  v1::DeleteRangeRequest request;
  const std::string key = generator_.key();
  request.mutable_range()->set_prefix(generator_.one_in(3) ? generator_.prefix() : key);
  request.set_dry_run(generator_.one_in(3));
  fill_options(*request.mutable_options());
  note("delete range", request);
  const std::string& prefix = request.range().prefix();
  const auto reply = target_.delete_range(request);
  expect(reply.status.ok(), "a delete range failed: " + reply.status.error_message());
  const std::uint64_t keys = model_.count(prefix);
  expect(reply.response.deleted() == keys, fmt::format("{} keys, and should be {}", reply.response.deleted(), keys));
  if (request.dry_run()) return expect(!reply.response.has_write(), "a count says that it has written");
  const v1::WriteResult& write = reply.response.write();
  expect((write.revision() != 0) == (keys != 0), "a revision of nothing, or none of a removal");
  expect(!write.replayed(), "a first answer says that it was given before");
  judge_changed(write.revision(), floor_);
  model_.remove(prefix);
  if (request.options().request_id().empty()) return;
  v1::DeleteRangeResponse again = reply.response;
  *again.mutable_write() = replayed(write);
  retries_.emplace_back([this, request, again] {
    note("again", request);
    const auto answer = target_.delete_range(request);
    expect(answer.status.ok(), "a retry failed: " + answer.status.error_message());
    expect_equal(answer.response, again);
  });
}

// ---- Ids and restarts

void Program::send_again() {
  if (retries_.empty()) return single();
  retries_[generator_.below(retries_.size())]();
}

void Program::another_under_an_id() {
  if (with_ids_.empty()) return single();
  v1::Operation old = with_ids_[generator_.below(with_ids_.size())];
  v1::Operation another = generator_.operation(model_);
  while (another.op_case() == old.op_case() || !writes(another)) another = generator_.operation(model_);
  options_of(another)->set_request_id(options_of(old)->request_id());
  note("another under an id", another);
  const v1::OperationResult result = target_.run(another);
  expect(result.error().reason() == "REQUEST_ID_REUSED",
         "answered " + result.ShortDebugString() + ", and should be REQUEST_ID_REUSED");
}

void Program::restart(bool kill) {
  if (kill) {
    // What was answered at a lower level than a kill respects is there too when a later write is.
    v1::Operation last;
    last.mutable_set()->set_key(generator_.key());
    last.mutable_set()->mutable_options()->set_durability(v1::DURABILITY_OS);
    note("call", last);
    judge(last, target_.run(last), setting(v1::DURABILITY_OS), floor_);
  }
  trace_.emplace_back(kill ? "kill, start" : "stop, start");
  count(kill ? "kills" : "stops");
  target_.restart(kill);
  look_at_all();
}

}  // namespace kv::programs
