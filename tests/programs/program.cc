#include "tests/programs/program.h"

#include <algorithm>
#include <chrono>
#include <set>

#include <fmt/format.h>

namespace kv::programs {
namespace {

// How far the server's clock may be from this program's, and how long a call may take: it has 30 s.
constexpr std::int64_t kClockMillis = 60000;

std::int64_t now_millis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
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
