// The small workload that crash enumerations and fault sweeps run again and again, and the judge of what is left.
//
// Two rotations of the smallest segments, three snapshots and a rewrite of the log, six mode switches, a kill and a
// start in the middle; values large and small, deletes, records of two keys, a key that becomes due on the way and one
// that does not.
//
// Threads: one test thread. Errors: judge() fails the Catch2 case.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/persistence/storage_fixture.h"

namespace kv {

// What was written, in order, and how much of it may not be lost any more. A write that was refused before it was
// applied is not in it: its error promised that it never will be.
struct WriteHistory {
  struct Change {
    std::string key;
    std::optional<std::string> value;  // none: a delete
    UnixMillis expire_at = kNoExpiry;
  };
  struct Write {
    std::vector<Change> changes;
    UnixMillis clock = 0;  // when it was sent
  };
  std::vector<Write> writes;
  std::size_t safe = 0;   // this many are acknowledged as on disk
  UnixMillis clock = 0;   // the latest there was
  Revision revision = 0;  // the highest that was shown

  // How many of the writes make up `found` (see shown()), everything safe included; none: it is no such state. What was
  // due when the last of them was sent must not be there; what became due since may be: the judge's clock knows only
  // what the files tell it.
  std::optional<std::size_t> count_in(const Data& found) const;
  bool allows(const Data& found) const { return count_in(found).has_value(); }
  // A start has served `found`: what is not in it is gone, what is in it is on disk.
  void restarted(const Data& found);
};

// A value of 300 kB, of which three fit into a segment of the smallest size.
std::string large(const std::string& text);
// How a value is shown: that of large(text) as one short line, if every byte of its filling is right.
std::string shown_value(std::string_view value, UnixMillis expire_at = kNoExpiry);
// The data of a server, with each key's expiry behind its value; values as shown_value() has them.
Data shown(const StorageFixture& server);

// How far the work came, and why no further.
struct WorkEnd {
  enum class In { kStart, kWrite, kSnapshot, kSwitch, kStop };
  In in = In::kStart;
  absl::Status status;
  bool applied = false;  // a write: it may be there or not
  bool completed() const { return status.ok(); }
};

// What the work needs before its first start: the smallest segments. For the judge too.
void set_up_for_work(StorageFixture& server);
// Ends at the first thing that fails; completed when nothing did, the clean stop included.
WorkEnd work(StorageFixture& server, WriteHistory& history);
// Starts on `disk`: the state must be one that may be, and the server must go on from there.
void judge(FileSystem& disk, const WriteHistory& history);

}  // namespace kv
