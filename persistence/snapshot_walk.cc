#include "persistence/snapshot_walk.h"

#include "persistence/snapshot_entry.h"
#include "store/frozen_walk.h"

namespace kv {

bool write_frozen_store(const Store& store, const snapshot_format::FileHeader& header,
                        SnapshotWriter& writer) noexcept {
  bool ok = writer.begin(header);
  store.for_each_frozen([&](const Entry& entry) { ok = ok && writer.add(record_of(entry.fields())); });
  store.requests().for_each_frozen(
      [&](const RememberedRequest& request) { ok = ok && writer.add(record_of(request)); });
  return ok && writer.finish();
}

}  // namespace kv
