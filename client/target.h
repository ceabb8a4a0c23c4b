// Where the server is: HOST:PORT as people write it, made exact for gRPC.
//
// gRPC takes a missing port for 443 and an unknown scheme for a host name, and says so only much later, as a connection
// that fails. So a target is checked here, once, and a missing port becomes ours.
//
// Threads: free functions. Errors: INVALID_ARGUMENT, saying what is wrong with the text.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace kv {

inline constexpr std::string_view kDefaultTarget = "127.0.0.1:50051";

// Accepts HOST, HOST:PORT, an IPv6 address with or without brackets, and gRPC's own unix:PATH, dns:, ipv4:, ipv6:.
absl::StatusOr<std::string> parse_target(std::string_view text);

}  // namespace kv
