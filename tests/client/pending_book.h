// The operations of a pipeline without a network: what is submitted, sent, answered and broken, step by step, and how
// each operation ended. Threads: one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "client/attempts.h"
#include "client/pending_operations.h"

namespace kv {

using Names = std::vector<std::string>;

struct Submitted {
  bool write = true;
  bool repeatable = true;
  std::size_t value_bytes = 1;
};

// Tells the ends as "KEY ok", or "KEY CODE", with a question mark where it may have been done.
class Book {
 public:
  explicit Book(PipelineOptions options = {}) : pending(options) {}
  ~Book() {
    pending.end_all(absl::CancelledError("over"));
    pending.deliver();
  }

  bool add(const std::string& key, Submitted how = {}) {
    kvstore::v1::PipelineRequest part;
    kvstore::v1::Operation& operation = *part.add_operations();
    if (how.write) {
      operation.mutable_set()->set_key(key);
      operation.mutable_set()->set_value(std::string(how.value_bytes, 'v'));
    } else {
      operation.mutable_get()->set_key(key);
    }
    PendingOperations::Submission submission{.field = part.SerializeAsString(),
                                             .kind = operation.op_case(),
                                             .write = how.write,
                                             .repeatable = how.repeatable,
                                             .done = [this, key](Pipeline::Result result) { note(key, result); }};
    Completion* woken = nullptr;
    return pending.add(submission, now, woken);
  }

  // The keys of the next message.
  Names send() {
    const auto bytes = pending.next_message(now);
    pending.deliver();
    if (!bytes) return {};
    kvstore::v1::PipelineRequest& message = messages.emplace_back();
    REQUIRE(message.ParseFromString(*bytes));
    Names keys;
    for (const auto& operation : message.operations()) {
      keys.push_back(operation.has_get() ? operation.get().key() : operation.set().key());
    }
    return keys;
  }

  // To the i-th message that was sent. `without_room`: these results found no room.
  kvstore::v1::PipelineResponse answer_to(std::size_t i, const std::vector<int>& without_room = {}) {
    kvstore::v1::PipelineResponse response;
    response.set_id(messages[i].id());
    for (const auto& operation : messages[i].operations()) {
      kvstore::v1::OperationResult& result = *response.add_results();
      if (operation.has_get()) result.mutable_get()->set_revision(1);
      if (operation.has_set()) result.mutable_set()->set_applied(true);
    }
    for (const int at : without_room) {
      kvstore::v1::OperationError& error = *response.mutable_results(at)->mutable_error();
      error.set_code(static_cast<int>(absl::StatusCode::kResourceExhausted));
      error.set_reason("RESPONSE_TOO_LARGE");
      error.set_message("RESPONSE_TOO_LARGE: x");
    }
    return response;
  }
  absl::Status answer(kvstore::v1::PipelineResponse response) {
    absl::Status taken = pending.take_answer(response);
    pending.deliver();
    return taken;
  }
  absl::Status answer(std::size_t i) { return answer(answer_to(i)); }

  void stream_ends(const PendingOperations::StreamEnd& end) {
    pending.stream_ended(end);
    pending.deliver();
  }
  bool expire() {
    const bool silent = pending.expire(now, {absl::DeadlineExceededError("sent"), absl::UnavailableError("unsent")});
    pending.deliver();
    return silent;
  }

  Names ends() { return std::exchange(ends_, {}); }

  PendingOperations pending;
  PendingOperations::Clock::time_point now{};
  std::vector<kvstore::v1::PipelineRequest> messages;

 private:
  void note(const std::string& key, const Pipeline::Result& result) {
    std::string end = result.ok() ? "ok" : absl::StatusCodeToString(result.status().code());
    if (!result.ok() && outcome_unknown(result.status())) end += "?";
    ends_.push_back(key + " " + end);
  }
  Names ends_;
};

inline PendingOperations::StreamEnd broken(bool again = true) {
  return {.why = absl::UnavailableError("lost the connection"), .again = again};
}

}  // namespace kv
