// Writes outcomes as kvstore.v1 messages: GetResponse, SetResponse and the others, alone or as an arm of
// kvstore.v1.OperationResult.
//
// Threads: free functions. Errors: none; the caller has made room of answer_bytes_at_most().
// Source:  protos/kvstore/v1/key_value.proto, operation.proto.
#pragma once

#include <cstddef>

#include "core/wire.h"
#include "server/operation.h"

namespace kv {

// Of the message or of the arm, whatever its revisions will be.
std::size_t answer_bytes_at_most(const Outcome& outcome);
// The response of the outcome's kind. The outcome is no error.
void write_answer(const Outcome& outcome, WireWriter& writer) noexcept;
// The content of an OperationResult: the response as an arm, or the error.
void write_result(const Outcome& outcome, WireWriter& writer);
// The content of a WriteResult.
void write_written(Revision revision, Level level, bool replayed, WireWriter& writer) noexcept;

}  // namespace kv
