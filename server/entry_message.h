// An entry of the store as kvstore.v1.Entry.
//
// Threads: free functions; the entry's shard is locked.
#pragma once

#include "kvstore/v1/types.pb.h"
#include "store/entry.h"

namespace kv {

// More than what an Entry takes in a message beside its key and its value.
inline constexpr std::size_t kEntryMessageBytes = 80;

// Everything but key and value.
inline void describe(const Entry& entry, kvstore::v1::Entry& message) {
  constexpr std::size_t kSlotShareBytes = 16;  // of the table, as it is filled on average
  message.set_type(static_cast<kvstore::v1::ValueType>(entry.type()));
  message.set_version(entry.version());
  message.set_create_version(entry.create_version());
  message.set_size_bytes(entry.block_bytes() + kSlotShareBytes);
  if (!entry.expires()) return;
  constexpr UnixMillis kMillis = 1000;
  message.mutable_expire_time()->set_seconds(entry.expire_at() / kMillis);
  message.mutable_expire_time()->set_nanos(static_cast<std::int32_t>(entry.expire_at() % kMillis) * 1'000'000);
}

inline void set_value(const Entry& entry, kvstore::v1::Entry& message) {
  if (entry.type() == ValueType::kString) message.set_value(std::string(entry.value()));
}

}  // namespace kv
