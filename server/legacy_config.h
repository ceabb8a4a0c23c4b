// What a request of the old Config call means: which settings change, and to what.
//
// A number that is zero is the default of its field; numbers that the mode does not use are ignored. A negative number
// and a mode outside the enum are refused, where the old server took the default or switched persistence off.
//
// Errors: CONFIG_INVALID, naming the field. Threads: free functions.
#pragma once

#include "absl/status/statusor.h"
#include "kvstore/kvstore.pb.h"
#include "persistence/storage.h"

namespace kv {

// `current` is what the settings that stay are checked together with.
absl::StatusOr<SettingsChange> settings_change_of(const kvstore::ConfigRequest& request, const Settings& current);

}  // namespace kv
