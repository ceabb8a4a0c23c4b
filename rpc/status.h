// How an error travels: absl::Status in, grpc::Status out, with the reason word and the facts for programs.
//
// On the wire the facts are a google.rpc.Status with one google.rpc.ErrorInfo in `grpc-status-details-bin`, as the
// richer error model of gRPC has it; the fact `retry_after_ms` is there a second time, as the google.rpc.RetryInfo that
// clients of other makes look for. These messages are so small that they are written here by hand: the library
// that brings them would bring a second copy of every google.rpc descriptor.
//
// Hard part: a peer drops trailers above 8 KiB, and with them the whole answer. So text and facts are cut to a bound.
//
// Threads: free functions, safe from any thread.
// Source:  google/rpc/status.proto, google/rpc/error_details.proto (field numbers), gRPC's HTTP/2 protocol page.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace kv {

inline constexpr std::string_view kErrorDomain = "kvstore";
inline constexpr std::string_view kRetryAfterFact = "retry_after_ms";
// Percent encoding can triple the text and base64 adds a third to the details: together below 8 KiB.
inline constexpr std::size_t kErrorTextBytesMax = 1024;
inline constexpr std::size_t kErrorDetailsBytesMax = 3072;

// Codes are the same numbers. A status without a reason word (not made by kv::error) has no details.
grpc::Status to_grpc(const absl::Status& status);

// The bytes of `grpc-status-details-bin`; empty for a status without a reason word. Facts that would exceed the bound
// are left out, the last ones first.
std::string error_details(const absl::Status& status);

}  // namespace kv
