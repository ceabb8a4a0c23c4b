// Operations of a history as messages of kvstore.v1 and of the old service, and what answers say in words of a history.
//
// Threads: free functions. Errors: an answer that is not one of what was asked: std::runtime_error.
#pragma once

#include <string>

#include "kvstore/v1/key_value_service.pb.h"
#include "tests/linearizability/history.h"

namespace kv::linearizability {

namespace v1 = kvstore::v1;

std::string name_of_key(unsigned key);

// `id` may be empty.
v1::Operation message_of(const Step& step, const std::string& id);
v1::TransactRequest transaction_of(const Operation& operation, const std::string& id);
// The steps of `then`, as one change if there are several.
v1::PipelineRequest pipeline_message_of(const Operation& operation, const std::string& id);

Shown shown_by(const v1::GetResponse& response);

// Fill in the answer. `result` is of the operation's only step.
void take_answer(const v1::OperationResult& result, Operation& operation);
void take_answer(const v1::TransactResponse& response, Operation& operation);
void take_answer(const v1::PipelineResponse& response, Operation& operation);
// Whether it is the answer to an earlier attempt.
bool is_replayed(const v1::OperationResult& result);

}  // namespace kv::linearizability
