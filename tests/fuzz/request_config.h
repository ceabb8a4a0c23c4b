// Requests that change settings: UpdateConfig of kvstore.v1, and Config of the old service. Part of request.cc.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace kv::fuzz {

// Ends the process when it is no refusal of a request: a code of the caller's fault, a reason word in front of the
// message, the field that is meant.
void check_refusal(const absl::Status& refused);

void decode_update_config(const std::string& bytes);
void decode_old_config(const std::string& bytes);

}  // namespace kv::fuzz
