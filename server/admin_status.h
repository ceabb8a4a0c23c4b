// What storage says about itself, as messages of kvstore.v1.
// Threads: free functions.
#pragma once

#include <chrono>

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "core/clock.h"
#include "kvstore/v1/admin_service.pb.h"
#include "persistence/storage.h"

namespace kv {

kvstore::v1::PersistenceMode to_message(Mode mode) noexcept;
google::protobuf::Duration to_message(std::chrono::milliseconds duration);
google::protobuf::Timestamp to_time_message(UnixMillis time);

// Everything but version and start time.
kvstore::v1::GetStatusResponse to_message(const StorageStatus& status, const RecoveryReport& recovery);
// Only where there was a switch since the start.
kvstore::v1::ModeTransition transition_of(const StorageStatus& status);
kvstore::v1::SnapshotInfo to_message(const StoredSnapshot& snapshot);

}  // namespace kv
