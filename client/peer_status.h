// What a server said when a call failed, as our own status: its code, its words, and the stable reason word.
//
// The word comes from the ErrorInfo of domain "kvstore" in `grpc-status-details-bin` when the server sends one, else
// from the front of the message, where every error of ours repeats it. A status without a word was not made by a server
// of ours: it comes from the network or from the gRPC library.
//
// The facts of the ErrorInfo (a limit, a field's path, a position) are those of the status: facts_of(). When to come
// again, if the server says so (google.rpc.RetryInfo), is the fact retry_after() reads. Names that this library gives a
// meaning of its own are not taken from a peer's ErrorInfo.
//
// Threads: free functions. Errors: none; details that do not parse are as good as absent. How many facts there can be
// is bounded by gRPC, which takes no trailers above 8 KiB.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace kv {

absl::Status status_of_peer(const grpc::Status& status);

// A message, mostly an answer, that gRPC itself did not let through for its size.
bool message_too_large(const absl::Status& error);
// The same, on one of the two sides: a request that the server did not take, or an answer that this client did not. So
// a write may have been done.
bool received_too_large(const absl::Status& error);

// The server's gRPC library had no memory left and cut the call off, wherever it was: a write may have been done.
bool cut_off(const absl::Status& error);

// How long the server asked to be left alone, an hour at most.
std::optional<std::chrono::milliseconds> retry_after(const absl::Status& error);

// The useful end of a message of the gRPC library: "Connection refused", without the layers it went through.
std::string last_cause(std::string_view message);

// "INVALID_ARGUMENT" and so on, as in the gRPC documentation.
std::string code_word(absl::StatusCode code);

}  // namespace kv
