// The small workload that crash enumerations and fault sweeps run again and again, and the judge of what is left: one
// rotation's worth of writes with snapshots, a compaction and six mode switches.
//
// Threads: one test thread. Errors: judge() fails the Catch2 case.
#pragma once

#include <string>
#include <vector>

#include "tests/persistence/storage_fixture.h"

namespace kv {

// What was written, in order, and how much of it may not be lost any more.
struct WriteHistory {
  struct Write {
    std::string key;
    std::string value;
  };
  std::vector<Write> writes;
  std::size_t safe = 0;  // this many are acknowledged as on disk
  Revision revision = 0;

  // Whether `data` is the state after some prefix that holds everything safe.
  bool allows(const Data& data) const {
    Data state;
    for (std::size_t n = 0; n <= writes.size(); ++n) {
      if (n >= safe && state == data) return true;
      if (n < writes.size()) state[writes[n].key] = writes[n].value;
    }
    return false;
  }
};

// Ends at the first thing that fails; true when nothing did, the clean stop included.
bool work(StorageFixture& server, WriteHistory& history);
// Starts on `disk`: the state must be one that may be, and the server must go on from there.
void judge(FileSystem& disk, const WriteHistory& history);

}  // namespace kv
