// What a server says and does when a call to its disk failed: the class of each error, and which failures are final.
//
// By docs/durability.md: a write is refused before it is applied (WRITES_SUSPENDED), or its outcome is
// unknown; a start says how the process would exit, and calls damage (3) only what the disk did not give back; a
// snapshot or a switch says DISK_LIMIT, INTERNAL, or that the disk has failed for good. After a failed sync nothing is
// written until a restart; everything else heals with the disk.
//
// Threads: one test thread. Errors: CHECKs of the Catch2 case.
#pragma once

#include "tests/persistence/storage_story.h"
#include "tests/torture/fault_ways.h"

namespace kv {

// What struck: a call of that kind on that path.
struct Strike {
  DiskCall call;
  const Way& way;
  std::string path;
  bool closing = false;  // the sync of a segment that is full, not of one that is being prepared
};

// Writes are taken, at once or within 5 s of the disk's healing.
void put_until_taken(StorageFixture& server, WriteHistory& history);
// The error that ended the work is of the right class.
void check_error(const Strike& strike, const WorkEnd& end);
// A start that failed: its exit code, and that it shows nothing.
void check_refused_start(const Strike& strike, const absl::Status& status);
// `server` is open after the work ended there with an error. Where the failure is final: that it is, on the healed disk
// too. Where it is not: writes are back within 5 s of the disk's healing, and a stop saves everything. The server is
// stopped then; the history tells what may be found now.
void check_afterwards(const Strike& strike, WorkEnd::In in, StorageFixture& server, FaultyFileSystem& disk,
                      WriteHistory& history);

}  // namespace kv
