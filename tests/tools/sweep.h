// The corruption sweep: a data directory damaged in every way a disk or a hand has, each time given to the tool and to
// the server. Whatever they say, they must say the same, and it must be true:
//   - what is served is the state that the directory's history had at that revision: never a wrong value;
//   - it is older than before only where a torn tail is told, or where a file was cut exactly behind a batch, which is
//   how
//     a log looks whose last batches never reached the disk; a flipped bit never takes it below the newest watermark in
//     the log, and a snapshot that stands in for a damaged one makes no difference at all;
//   - else it is refused, by a message that names the file: of a flipped bit, exactly the one it is in. Never an empty
//   start;
//   - a start that then goes on without what is damaged has the exact state of one revision, its request ids included,
//   and every file that held something is still there, in use or set aside.
// ctest flips some of the bits, `storage_torture corrupt` all.
//
// Threads: one test thread. Errors: a wrong verdict is a failed check of Catch2.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/persistence/storage_fixture.h"
#include "tests/tools/agreement.h"

namespace kv {

// What a store held at each revision of its life.
class StateHistory {
 public:
  struct State {
    std::uint64_t digest = 0;
    std::uint64_t keys = 0;
    std::uint64_t request_ids = 0;
    friend bool operator==(const State&, const State&) = default;
  };

  void note(std::uint64_t revision, const State& state) { states_[revision] = state; }
  // What `server` holds now.
  void note(StorageFixture& server);
  // At `revision`: numbers that a restart skipped change nothing.
  State at(std::uint64_t revision) const;

 private:
  std::map<std::uint64_t, State> states_{{0, {}}};
};

struct SweptDirectory {
  std::string name;
  Files files;
  StateHistory history;
};

// A small life: writes, a delete, request ids, snapshots, a kill and a start in the middle. It still runs.
void live_in(StorageFixture& server, StateHistory& history);
// The same, killed; in SNAPSHOT mode stopped.
SweptDirectory lived_in(Mode mode);
// A log that was sealed behind a snapshot and that SNAPSHOT keeps until the next one.
SweptDirectory kept_segments();
// Many segments, one of them behind a jump, with watermarks in the middle (tests/tools/rotated_log.h).
SweptDirectory rotated_log();

struct SweepPlan {
  std::uint64_t step = 1;  // every n-th bit, and every n-th length
  std::uint64_t seed = 1;  // of the noise
  // Asked before the damage that it is told; false ends the sweep.
  std::function<bool(const std::string& piece)> go_on = [](const std::string&) { return true; };
};

struct SweepCounts {
  std::uint64_t bits = 0, bits_flipped = 0;  // there are, and were
  std::uint64_t lengths = 0, lengths_cut = 0;
  std::uint64_t other = 0;  // appended, swapped, doubled, missing
  // Verdicts. shorter: cut behind a batch; older: an older snapshot stands in.
  std::uint64_t same = 0, torn = 0, shorter = 0, older = 0, refused = 0;
  std::uint64_t accepted = 0;  // of the refused ones, those with a state to go on with
};

SweepCounts sweep(const SweptDirectory& directory, const SweepPlan& plan);

}  // namespace kv
