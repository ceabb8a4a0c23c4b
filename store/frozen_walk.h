// Store::for_each_frozen() and RequestWindow::for_each_frozen(): every entry, and every request id that is remembered,
// without a lock and without an allocation.
//
// For a holder of LockedAll, and for the child that was forked under it, where no lock may be taken, nothing may be
// allocated and no library called: the iterations are inline and do neither.
#pragma once

#include "store/request_stripe.h"
#include "store/shard.h"

namespace kv {

template <class Visit>
void Store::for_each_frozen(Visit&& visit) const {
  for (std::size_t index = 0; index < state_->shard_count; ++index) {
    for (const Slot& slot : state_->shards[index].table) visit(static_cast<const Entry&>(*slot.entry));
  }
}

template <class Visit>
void RequestWindow::for_each_frozen(Visit&& visit) const {
  for (std::size_t index = 0; index < kStripes; ++index) {
    for (const RequestStripe::Slot& slot : stripes_[index].slots) visit(slot.request);
  }
}

}  // namespace kv
