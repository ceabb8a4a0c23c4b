#include "client/pipeline.h"

#include <utility>

#include "client/client.h"
#include "client/pending_operations.h"
#include "client/pipeline_stream.h"
#include "client/request_id.h"

namespace kv {
namespace {

using kvstore::v1::Operation;
using Submission = PendingOperations::Submission;

// Calls visit(message) with the one that is set, if any.
template <class Visit>
void visit_operation(Operation& operation, Visit visit) {
  switch (operation.op_case()) {
    case Operation::kGet:
      return visit(*operation.mutable_get());
    case Operation::kSet:
      return visit(*operation.mutable_set());
    case Operation::kDelete:
      return visit(*operation.mutable_delete_());
    case Operation::kIncrement:
      return visit(*operation.mutable_increment());
    case Operation::kAppend:
      return visit(*operation.mutable_append());
    case Operation::kSetExpiry:
      return visit(*operation.mutable_set_expiry());
    case Operation::OP_NOT_SET:
      return;  // The server says what it thinks of that.
  }
}

Submission prepare(Operation operation, kvstore::v1::Durability durability, bool with_ids) {
  Submission submission;
  submission.kind = operation.op_case();
  visit_operation(operation, [&]<class Message>(Message& message) {
    if constexpr (IsWrite<Message>) {
      prepare_write(message, durability, with_ids);
      submission.write = true;
      submission.repeatable = !message.options().request_id().empty();
    }
  });
  // A message is its fields, one behind the other: this one is a part of whichever message it will go in.
  kvstore::v1::PipelineRequest part;
  *part.add_operations() = std::move(operation);
  submission.field = part.SerializeAsString();
  return submission;
}

}  // namespace

Pipeline::Pipeline(Client& client, PipelineOptions options)
    : request_ids_(client.request_ids_),
      durability_(options.call.durability),
      stream_(std::make_unique<PipelineStream>(client.transport_, std::move(options))) {}

Pipeline::~Pipeline() = default;

void Pipeline::submit(Operation operation, Callback done) {
  Submission submission = prepare(std::move(operation), durability_, request_ids_);
  submission.done = std::move(done);
  while (!stream_->try_submit(submission)) stream_->pending().wait_for_room(submission);
}

bool Pipeline::try_submit(Operation operation, Callback& done) {
  Submission submission = prepare(std::move(operation), durability_, request_ids_);
  submission.done = std::move(done);
  const bool taken = stream_->try_submit(submission);
  if (!taken) done = std::move(submission.done);
  return taken;
}

Task<Pipeline::Result> Pipeline::call(Operation operation) {
  Submission submission = prepare(std::move(operation), durability_, request_ids_);
  for (;;) {
    Result result;
    bool taken = true;
    co_await OnCompletion([&](Completion& woken) {
      submission.done = [&result, &woken](Result answer) {
        result = std::move(answer);
        woken.complete(true);
      };
      // Once it is taken, the answer may come, and this frame be gone, before try_submit() returns.
      PipelineStream& stream = *stream_;
      if (stream.try_submit(submission)) return;
      taken = false;
      stream.pending().when_room(submission, woken);
    });
    if (taken) co_return result;
  }
}

void Pipeline::drain() { stream_->pending().drain(); }

}  // namespace kv
