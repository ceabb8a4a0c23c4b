#include "tests/linearizability/client.h"

#include <chrono>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "tests/crash/workload.h"

namespace kv::linearizability {
namespace {

// Far above what a call takes: one that takes longer hangs.
constexpr std::chrono::seconds kCallBound{30};

bool is_refusal(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::FAILED_PRECONDITION ||
         status.error_code() == grpc::StatusCode::OUT_OF_RANGE;
}

std::string reason_of(const grpc::Status& status) {
  return status.error_message().substr(0, status.error_message().find(':'));
}

}  // namespace

// The calls, one each. They give the status; the answer is in the request's operation.
class Client::Calls {
 public:
  Calls(Client& client, Request& request) : client_(client), request_(request), operation_(request.operation) {
    context_.set_deadline(std::chrono::system_clock::now() + kCallBound);
  }

  grpc::Status send() {
    switch (request_.way) {
      case Way::kCall:
        return call();
      case Way::kOld:
        return call_old();
      case Way::kTransact:
        return transact();
      case Way::kPipeline:
        return pipeline();
      case Way::kMultiGet:
        break;
    }
    return multi_get();
  }

 private:
  using Stub = v1::KeyValueService::Stub;

  template <class Asked, class Answer>
  grpc::Status call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Asked&, Answer*), const Asked& asked,
                    Answer* (v1::OperationResult::*arm)()) {
    v1::OperationResult result;
    const grpc::Status status = ((*client_.stub_).*method)(&context_, asked, (result.*arm)());
    if (status.ok()) take(result);
    return status;
  }

  grpc::Status call() {
    const v1::Operation asked = message_of(operation_.then.front(), request_.id);
    switch (asked.op_case()) {
      case v1::Operation::kSet:
        return call(&Stub::Set, asked.set(), &v1::OperationResult::mutable_set);
      case v1::Operation::kDelete:
        return call(&Stub::Delete, asked.delete_(), &v1::OperationResult::mutable_delete_);
      case v1::Operation::kIncrement:
        return call(&Stub::Increment, asked.increment(), &v1::OperationResult::mutable_increment);
      case v1::Operation::kAppend:
        return call(&Stub::Append, asked.append(), &v1::OperationResult::mutable_append);
      default:
        return call(&Stub::Get, asked.get(), &v1::OperationResult::mutable_get);
    }
  }

  // Gets, sets and deletes only; the answers say neither versions nor revisions.
  grpc::Status call_old() {
    const Step& step = operation_.then.front();
    const std::string key = name_of_key(step.key);
    StepAnswer answer;
    grpc::Status status;
    if (step.kind == Step::Kind::kGet) {
      kvstore::GetRequest request;
      request.set_key(key);
      kvstore::GetResponse response;
      status = client_.old_stub_->Get(&context_, request, &response);
      answer.before = Shown{!response.value().empty(), response.value(), kUntold};  // No value is empty here.
      operation_.revision = kNothingChanged;
    } else if (step.kind == Step::Kind::kSet) {
      kvstore::SetRequest request;
      request.set_key(key);
      request.set_value(step.text);
      google::protobuf::Empty response;
      status = client_.old_stub_->Set(&context_, request, &response);
    } else {
      kvstore::DelRequest request;
      request.set_key(key);
      kvstore::DelResponse response;
      status = client_.old_stub_->Del(&context_, request, &response);
      answer.applied = response.success();
    }
    operation_.results = {answer};
    return status;
  }

  grpc::Status transact() {
    v1::TransactResponse response;
    const grpc::Status status = client_.stub_->Transact(&context_, transaction_of(operation_, request_.id), &response);
    if (status.ok()) take_answer(response, operation_);
    request_.replayed = response.write().replayed();
    return status;
  }

  grpc::Status pipeline() {
    const auto stream = client_.stub_->Pipeline(&context_);
    stream->Write(pipeline_message_of(operation_, request_.id));
    stream->WritesDone();
    v1::PipelineResponse response, another;
    const bool answered = stream->Read(&response);
    const bool twice = answered && stream->Read(&another);
    const grpc::Status status = stream->Finish();
    // An answer is an answer, however the stream ends.
    if (!answered) return status.ok() ? grpc::Status(grpc::StatusCode::INTERNAL, "no answer") : status;
    if (twice) return {grpc::StatusCode::INTERNAL, "two answers to one message"};
    take_answer(response, operation_);
    request_.replayed =
        response.write().replayed() || (response.results_size() > 0 && is_replayed(response.results(0)));
    return grpc::Status::OK;
  }

  grpc::Status multi_get() {
    v1::MultiGetRequest request;
    for (const Step& step : operation_.then) request.add_keys(name_of_key(step.key));
    request.set_consistent(true);
    const auto stream = client_.stub_->MultiGet(&context_, request);
    v1::MultiGetResponse chunk;
    operation_.results.clear();
    while (stream->Read(&chunk)) {
      for (const v1::GetResponse& result : chunk.results()) operation_.results.push_back({.before = shown_by(result)});
    }
    operation_.revision = kNothingChanged;
    return stream->Finish();
  }

  void take(const v1::OperationResult& result) {
    take_answer(result, operation_);
    request_.replayed = is_replayed(result);
  }

  Client& client_;
  Request& request_;
  Operation& operation_;
  grpc::ClientContext context_;
};

void Client::connect(const std::string& address) {
  const auto channel = crash::connect(address);
  stub_ = v1::KeyValueService::NewStub(channel);
  old_stub_ = kvstore::KeyValueStore::NewStub(channel);
}

void Client::send(Request& request) {
  Operation& operation = request.operation;
  operation.client = number_;
  operation.called = ++clock_;
  const grpc::Status status = Calls(*this, request).send();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
    throw std::runtime_error("a call hangs: " + describe(operation));
  if (!status.ok() && !is_refusal(status)) {
    why_ = fmt::format("{} {}", static_cast<int>(status.error_code()), status.error_message());
    operation.results.clear();
    operation.revision.reset();
    return;
  }
  if (!status.ok()) operation.refusal = reason_of(status);
  if (!operation.refusal.empty()) {
    operation.revision = kNothingChanged;
    operation.results.clear();
  }
  operation.returned = ++clock_;
  operation.fate = Operation::Fate::kAnswered;
  learn(operation);
}

Operation Client::next() {
  Request request = make();
  send(request);
  if (request.operation.fate == Operation::Fate::kOpen) open_ = request;
  return request.operation;
}

Operation Client::look() {
  Request request{.way = Way::kMultiGet};
  for (unsigned key = 0; key < keys_; ++key) request.operation.then.push_back({.key = key});
  send(request);
  return request.operation;
}

void Client::send_again(Instant crash, std::vector<Operation>& noted, std::uint64_t& sent, std::uint64_t& replayed) {
  if (!open_) return;
  Request request = *std::exchange(open_, std::nullopt);
  Operation attempt = request.operation;
  if (!request.id.empty() && writes(attempt)) {
    ++sent;
    send(request);
    if (request.operation.fate == Operation::Fate::kOpen)
      throw std::runtime_error("a write that was sent again was not answered: " + describe(attempt));
    if (request.replayed) {
      // It was the first attempt that was carried out, while its server lived.
      ++replayed;
      request.operation.called = attempt.called;
      request.operation.returned = crash - 1;
      noted.push_back(request.operation);
      return;
    }
    // Whether a refusal is that of the first attempt is not told: it counts from the first call on.
    if (!request.operation.refusal.empty()) request.operation.called = attempt.called;
    noted.push_back(request.operation);
    attempt.fate = Operation::Fate::kLost;
  }
  noted.push_back(attempt);
}

// What the answer shows of the keys.
void Client::learn(const Operation& operation) {
  const std::vector<Step>& steps = operation.succeeded ? operation.then : operation.otherwise;
  for (std::size_t i = 0; i < operation.results.size() && i < steps.size(); ++i) {
    const StepAnswer& answer = operation.results[i];
    Shown& known = known_[steps[i].key];
    if (answer.before && (!answer.before->there || answer.before->version != kUntold)) known = *answer.before;
    if (answer.number && steps[i].kind == Step::Kind::kIncrement && operation.revision.value_or(0) != 0)
      known = {true, std::to_string(*answer.number), *operation.revision};
    if (steps[i].kind == Step::Kind::kSet && answer.applied && operation.revision.value_or(0) != 0)
      known = {true, steps[i].text, *operation.revision};
  }
}

// ---- What is asked

std::string Client::new_value() {
  const std::string number = fmt::format("{}{:02}", ++values_, number_);
  return below(10) == 0 ? "word " + number : number;  // not a number, now and then
}

Condition Client::compare_with(unsigned key) {
  const Shown& known = known_[key];
  if (below(4) == 0 && known.there) return {Condition::Test::kValue, 0, known.value};
  if (below(12) == 0) return {known.there ? Condition::Test::kThere : Condition::Test::kMissing, 0, {}};
  return {Condition::Test::kVersion, known.there ? known.version : 0, {}};
}

Step Client::random_write(unsigned key) {
  Step step{.key = key};
  switch (below(8)) {
    case 0:
      step.kind = Step::Kind::kDelete;
      break;
    case 1:
    case 2:
    case 3:
      step.kind = Step::Kind::kIncrement;
      step.delta = static_cast<std::int64_t>(below(19)) - 9;
      break;
    case 4:
    case 5:
      step.kind = Step::Kind::kAppend;
      step.text = std::to_string(1 + below(9));
      break;
    default:
      step.kind = Step::Kind::kSet;
      step.text = new_value();
  }
  return step;
}

Client::Request Client::make_single() {
  Request request;
  const auto key = static_cast<unsigned>(below(keys_));
  Step step{.key = key};
  if (compare_next_) {
    step.key = *std::exchange(compare_next_, std::nullopt);
    step.kind = below(5) == 0 ? Step::Kind::kDelete : Step::Kind::kSet;
    if (step.kind == Step::Kind::kSet) step.text = new_value();
    step.condition = compare_with(step.key);
  } else if (below(5) < 2) {
    // Whoever looks compares next: what is in between is the time of one call.
    if (below(4) != 0) compare_next_ = key;
  } else {
    step = random_write(key);
  }
  const bool simple = step.condition.test == Condition::Test::kNone && step.kind <= Step::Kind::kDelete;
  if (below(10) == 0) {
    request.way = Way::kPipeline;
  } else if (simple && !compare_next_ && below(10) == 0) {
    request.way = Way::kOld;
  }
  request.operation.then = {step};
  return request;
}

Client::Request Client::make_transaction() {
  Request request{.way = below(4) == 0 ? Way::kPipeline : Way::kTransact};
  Operation& operation = request.operation;
  const auto first = static_cast<unsigned>(below(keys_));
  const unsigned second = (first + 1) % keys_;
  switch (below(4)) {
    case 0: {  // the same in all of them
      const std::string value = new_value();
      for (unsigned key = 0; key < keys_; ++key)
        operation.then.push_back({.kind = Step::Kind::kSet, .key = key, .text = value});
      break;
    }
    case 1:  // from one to another
      operation.then = {{.kind = Step::Kind::kIncrement, .key = first, .delta = -3},
                        {.kind = Step::Kind::kIncrement, .key = second, .delta = 3}};
      break;
    case 2:  // one is looked at, another is changed
      operation.then = {{.key = first}, random_write(second)};
      break;
    default:
      return make_comparison(first);
  }
  return request;
}

// Compared, and changed together; else looked at.
Client::Request Client::make_comparison(unsigned first) {
  Request request{.way = Way::kTransact};
  const unsigned second = (first + 1) % keys_;
  request.operation.comparisons = {{first, compare_with(first)}};
  request.operation.then = {random_write(first), random_write(second)};
  request.operation.otherwise = {{.key = first}, {.key = second}};
  return request;
}

Client::Request Client::make() {
  Request request;
  const std::uint64_t dice = below(100);
  if (compare_next_ && dice < 30) {
    request = make_comparison(*std::exchange(compare_next_, std::nullopt));
  } else if (compare_next_ || dice < 66) {
    request = make_single();
  } else if (dice < 88) {
    request = make_transaction();
  } else {
    request.way = dice < 94 ? Way::kMultiGet : Way::kTransact;
    for (unsigned key = 0; key < keys_; ++key) request.operation.then.push_back({.key = key});
  }
  if (request.way != Way::kOld && request.way != Way::kMultiGet && writes(request.operation) && below(2) == 0) {
    for (int i = 0; i < 16; ++i) request.id.push_back(static_cast<char>(below(256)));
  }
  return request;
}

}  // namespace kv::linearizability
