// Between what a snapshot file holds of an entry and what the store knows: the same fields, told apart because the
// formats know nothing of the store. Views. No call allocates; the snapshot child uses both.
// Threads: free functions.
#pragma once

#include "persistence/format/snapshot_format.h"
#include "store/entry.h"

namespace kv {

inline snapshot_format::EntryRecord record_of(const LoadedEntry& entry) noexcept {
  return {.type = static_cast<std::uint8_t>(entry.type),
          .version = entry.version,
          .create_version = entry.create_version,
          .expire_at = entry.expire_at,
          .key = entry.key,
          .value = entry.value};
}

inline LoadedEntry fields_of(const snapshot_format::EntryRecord& record) noexcept {
  return {.key = record.key,
          .value = record.value,
          .type = static_cast<ValueType>(record.type),
          .version = record.version,
          .create_version = record.create_version,
          .expire_at = record.expire_at};
}

}  // namespace kv
