// A whole data directory judged: what a start would make of it, and everything that is wrong with it.
//
// The rules are those of docs/durability.md ("Start") and docs/formats/: which snapshot is loaded, where the log ends,
// what is refused. Nothing is written.
//
// Threads: one. Errors: a status only when the disk cannot be read; damage is in the result.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/progress.h"
#include "tools/directory_page.h"
#include "tools/log_chain.h"
#include "tools/snapshot_page.h"
#include "tools/state.h"

namespace kv::tools {

struct DamagedPlace {
  std::string file;  // below the directory
  std::uint64_t offset = 0;
  std::string what;
};
// Of a status made by damage().
DamagedPlace place_of(const absl::Status& status, const DirectoryPage& directory);

struct SnapshotSummary {
  std::string file;
  std::uint64_t number = 0;
  Revision cut = 0;
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0;
  enum class Verdict { kNotRead, kGood, kDamaged } verdict = Verdict::kNotRead;
  bool loaded = false;
};

struct Examination {
  enum class Start {
    kFresh,    // nothing is there: an empty store begins
    kServes,   // the state below is served
    kRefuses,  // damage that a start does not get past
  };
  Start start = Start::kServes;
  std::vector<DamagedPlace> damaged;     // in the order found; with kServes too (HYBRID goes on from an older snapshot)
  std::optional<ManifestPage> manifest;  // as it stands
  std::vector<SnapshotSummary> snapshots;
  LogChain log;
  State state{State::Values::kHashed};
  Revision revision = 0;
  std::uint64_t records_applied = 0;
  // What SET_ASIDE lists. A start gives those another name that MANIFEST does not name and that are there.
  struct SetAside {
    FileSetAside file;
    enum class Now { kToRename, kNamed, kGone } now = Now::kToRename;
  };
  std::vector<SetAside> set_aside;
  std::vector<AcceptedLoss> accepted;  // starts that went on without what was damaged, by their tokens
  std::vector<std::string> swept;      // ours and unnamed: a start removes them
  std::vector<std::string> strangers;  // a start leaves them alone

  bool sound() const { return damaged.empty(); }
  bool torn() const { return log.end && log.end->bytes > 0; }
};

struct ExamineOptions {
  // Also what no start reads: older snapshots, each compared with the log where that reaches it, and past/.
  bool deep = false;
  State::Values values = State::Values::kHashed;
  // The state of this revision instead of the newest; OUT_OF_RANGE where what is left does not lead to it.
  std::optional<Revision> as_of = std::nullopt;
};

absl::StatusOr<Examination> examine(FileSystem& fs, const DirectoryPage& directory, const ExamineOptions& options,
                                    Progress& progress);

}  // namespace kv::tools
