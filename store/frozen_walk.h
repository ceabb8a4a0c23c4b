// Store::for_each_frozen(): every entry without a lock and without an allocation.
//
// For a holder of LockedAll, and for the child that was forked under it, where no lock may be taken, nothing may be
// allocated and no library called: the table's iteration is inline and does neither.
#pragma once

#include "store/shard.h"

namespace kv {

template <class Visit>
void Store::for_each_frozen(Visit&& visit) const {
  for (std::size_t index = 0; index < state_->shard_count; ++index) {
    for (const Slot& slot : state_->shards[index].table) visit(static_cast<const Entry&>(*slot.entry));
  }
}

}  // namespace kv
