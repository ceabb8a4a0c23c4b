// `config MODE [numbers]`: the words after `config` as the request they mean.
//
// Zero means "default" on the wire, so a zero that was typed is refused here, like every number that is not positive or
// does not fit its field: nobody shall get a default by mistake. No number at all is how to ask for the defaults.
//
// Threads: free function. Errors: INVALID_ARGUMENT; the message is the line to show (no reason word: no server said
// it).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kvstore/kvstore.pb.h"

namespace kv {

inline constexpr std::string_view kModeWords[] = {"SNAPSHOT", "AOF", "HYBRID", "NON_PERSISTENT"};

absl::StatusOr<kvstore::ConfigRequest> parse_config(std::span<const std::string> arguments);

}  // namespace kv
