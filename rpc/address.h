// Listening addresses as people write them: HOST:PORT, [IPV6]:PORT, unix:PATH.
// Threads: free functions, safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace kv {

// The same address with the port that was really bound; unix addresses have none and stay as they are.
std::string with_port(std::string_view address, int port);

// The library takes a unix socket over from whoever listens on it: two servers would share one path, and the older one
// would never be reached again. Fails when somebody answers on it; OK for every other kind of address.
absl::Status check_not_taken(std::string_view address);

}  // namespace kv
