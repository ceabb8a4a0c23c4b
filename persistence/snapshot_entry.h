// Between what a snapshot file holds of an entry, or of a request id, and what the store knows: the same fields, told
// apart because the formats know nothing of the store. Entries are views. No call allocates; the snapshot child uses
// both. Threads: free functions.
#pragma once

#include "persistence/format/snapshot_format.h"
#include "store/entry.h"
#include "store/request.h"

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

inline snapshot_format::RequestIdRecord record_of(const RememberedRequest& request) noexcept {
  const RequestBlock& block = request.block;
  const unsigned applied = block.applied ? snapshot_format::kRequestIdApplied : 0;
  const unsigned created = block.created ? snapshot_format::kRequestIdCreated : 0;
  return {.id = block.id,
          .request_hash = block.request_hash,
          .revision = block.applied ? request.revision : 0,
          .added = block.added,
          .value = block.value,
          .time = request.time,
          .flags = static_cast<std::uint8_t>(applied | created)};
}

// `cut` is the snapshot's: what changed nothing was seen to change nothing no later.
inline RememberedRequest fields_of(const snapshot_format::RequestIdRecord& record, Revision cut) noexcept {
  return {.block = {.id = record.id,
                    .request_hash = record.request_hash,
                    .applied = (record.flags & snapshot_format::kRequestIdApplied) != 0,
                    .created = (record.flags & snapshot_format::kRequestIdCreated) != 0,
                    .added = record.added,
                    .value = record.value},
          .revision = record.revision != 0 ? record.revision : cut,
          .time = record.time};
}

}  // namespace kv
