// How large a message of the server may be: from its own limits, so that whatever can be stored can be read, and
// nothing larger is taken.
//
// The first call of a client asks (GetConfig); calls that come meanwhile wait for that. A server that has no admin
// service, or keeps it for others, gets the most that any server of ours can be set to. One that cannot be asked now is
// asked again by the next call: that call's own failure is what its caller shall hear of.
//
// Threads: as client/unary_call.h.
#pragma once

#include "client/call_options.h"
#include "client/transport.h"
#include "core/task.h"

namespace kv {

// True when it is known afterwards.
Task<bool> find_answer_bound(Transport& transport, Endpoint& endpoint, CallOptions options);

}  // namespace kv
