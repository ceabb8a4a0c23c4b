// Writes a whole store that lies still: the forked child does it, and so does a holder of LockedAll where no fork is
// possible.
//
// Threads: nobody changes the store meanwhile. No call allocates, throws or locks, as far as the sink does not.
#pragma once

#include "persistence/snapshot_writer.h"
#include "store/store.h"

namespace kv {

// Header, every entry (those that are due too), every request id, footer. False: writer.error_number() says why.
bool write_frozen_store(const Store& store, const snapshot_format::FileHeader& header, SnapshotWriter& writer) noexcept;

}  // namespace kv
