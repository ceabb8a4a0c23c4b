#include "tests/torture/fault_verdict.h"

#include <algorithm>
#include <thread>

#include "core/error.h"
#include "tests/torture/run.h"

namespace kv {
namespace {

// Names that MANIFEST counts on, and MANIFEST's own, which is in the data directory itself.
bool holds_names(const std::string& directory, const StorageFixture& server) {
  return directory == server.path("aof") || directory == server.path("snapshots") || directory == server.path();
}

// A sync that decides what is on disk, by docs/durability.md, whatever its errno: of a segment that is written to or is
// closed, of names that count, or of MANIFEST. That of a file on which nothing depends yet, a segment that is being
// prepared or the first one of a switch into a log, fails only what it was made for.
bool is_final(const Strike& strike, WorkEnd::In in, const StorageFixture& server) {
  if (strike.way.error_number == 0) return false;
  if (strike.call == DiskCall::kSyncData) return in != WorkEnd::In::kSwitch && strike.path.ends_with(".aof");
  if (strike.call == DiskCall::kSyncDirectory) return holds_names(strike.path, server);
  if (strike.call == DiskCall::kSync && strike.closing) return true;
  const bool manifest = strike.path.find("MANIFEST") != strike.path.npos;
  return manifest && (strike.call == DiskCall::kSync || strike.call == DiskCall::kRename);
}

// What a disk without space refuses, and what therefore heals: no call that only confirms what is there already.
bool is_full_disk(const Strike& strike) {
  const bool takes_space =
      strike.call == DiskCall::kCreate || strike.call == DiskCall::kWrite || strike.call == DiskCall::kAllocate;
  return takes_space && is_full(strike.way);
}

void check_final(StorageFixture& server, FaultyFileSystem& disk) {
  disk.heal();
  CHECK_FALSE(server.storage().journal().accepting_writes());
  CHECK_FALSE(server.storage().status().promise_kept);
  const std::vector<std::string> alarms = server.storage().status().alarms;
  CHECK(std::find(alarms.begin(), alarms.end(), "disk_failed") != alarms.end());
  const absl::Status put = server.try_put("after", "the disk failed").status();
  CHECK(has_reason(put, Reason::kWritesSuspended));
  CHECK_FALSE(server.last_applied());
  const auto snapshot = server.snapshot();
  CHECK_FALSE(snapshot.ok());
  Journal& journal = server.storage().journal();
  CHECK(server.readable(journal.durable()).ok());
  if (server.storage().journal().default_level() == Level::kDisk && journal.durable() < journal.applied()) {
    CHECK(has_reason(server.readable(journal.applied()), Reason::kNotDurable));
    TortureRun::get().count("not_durable");
  }
  CHECK_FALSE(server.stop().ok());
  TortureRun::get().count("final");
}

void check_back(StorageFixture& server, FaultyFileSystem& disk, WriteHistory& history) {
  disk.heal();
  put_until_taken(server, history);
  const absl::Status stopped = server.stop();
  INFO("the stop on the healed disk: " << stopped.ToString());
  CHECK(stopped.ok());
  history.safe = history.writes.size();
  TortureRun::get().count("came_back");
}

// Of a snapshot or a switch, which say why in a word for whoever asked. A switch may be on record already.
void check_job(const Strike& strike, WorkEnd::In in, const absl::Status& status) {
  const bool known = (is_full(strike.way) && has_reason(status, Reason::kDiskLimit)) ||
                     (in == WorkEnd::In::kSwitch && has_reason(status, Reason::kOutcomeUnknown)) ||
                     has_reason(status, Reason::kInternal) || has_reason(status, Reason::kWritesSuspended);
  CHECK(known);
}

}  // namespace

void put_until_taken(StorageFixture& server, WriteHistory& history) {
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  absl::Status last;
  do {
    last = server.try_put("after", "the fault").status();
    if (last.ok()) {
      WriteHistory::Change change;
      change.key = "after";
      change.value = "the fault";
      history.writes.push_back({{change}, server.clock_.now()});
      if (server.last_level() == Level::kDisk) history.safe = history.writes.size();
      return;
    }
    std::this_thread::yield();  // A refusal comes at once, so this asks until it does.
  } while (std::chrono::steady_clock::now() < bound);
  FAIL("writes did not come back within 5 s: " << last.ToString());
}

void check_refused_start(const Strike& strike, const absl::Status& status) {
  INFO("the start ended with " << status.ToString());
  const std::string exit = facts_of(status)["exit"];
  CHECK((exit == "1" || exit == "3"));
  // Damage is only what the disk holds and does not give back.
  const bool reading =
      strike.call == DiskCall::kRead || strike.call == DiskCall::kOpen || strike.call == DiskCall::kSize;
  if (exit == "3") CHECK((reading && strike.way.error_number == EIO));
  if (exit == "3") CHECK(facts_of(status).count("file") == 1);
}

void check_error(const Strike& strike, const WorkEnd& end) {
  INFO("ended with " << end.status.ToString());
  switch (end.in) {
    case WorkEnd::In::kStart:
      return check_refused_start(strike, end.status);
    case WorkEnd::In::kWrite:
      CHECK(has_reason(end.status, end.applied ? Reason::kOutcomeUnknown : Reason::kWritesSuspended));
      TortureRun::get().count(end.applied ? "unknown" : "refused");
      return;
    case WorkEnd::In::kSnapshot:
    case WorkEnd::In::kSwitch:
      return check_job(strike, end.in, end.status);
    case WorkEnd::In::kStop:
      return;  // Whatever it was: the stop said that not everything is saved.
  }
}

void check_afterwards(const Strike& strike, WorkEnd::In in, StorageFixture& server, FaultyFileSystem& disk,
                      WriteHistory& history) {
  const bool final = !server.storage().journal().failure().ok();
  const bool must_be_final = is_final(strike, in, server);
  if (must_be_final) CHECK(final);
  if (is_full_disk(strike)) CHECK(must_be_final == final);
  if (final) return check_final(server, disk);
  check_back(server, disk, history);
}

}  // namespace kv
