// Each call to the disk fails, once and from then on, in each way that a disk has: the whole sweep through the work.
#include <catch2/catch.hpp>

#include "tests/persistence/storage_story.h"
#include "tests/torture/fault_verdict.h"
#include "tests/torture/fault_ways.h"
#include "tests/torture/run.h"

namespace kv {
namespace {

constexpr Survivors::Which kCrashes[] = {Survivors::Which::kNone, Survivors::Which::kAll};

void judge_crashes(const FaultyFileSystem& disk, const WriteHistory& history) {
  for (const Survivors::Which which : kCrashes) {
    INFO((which == Survivors::Which::kNone ? "after a power cut" : "after a kill"));
    judge(*disk.after_crash({which, 0, 0, 0}), history);
  }
}

// As a supervisor does it, on the machine whose page cache may lie: the disk is as it should be again, and whatever
// this start serves and takes must outlive a power cut behind it. One thing cannot be mended: when the sync of the
// parent has failed that was to save the data directory's own name, no later one says so.
void start_again(const Strike& strike, FaultyFileSystem& disk, WriteHistory& history) {
  const bool nameless = strike.call == DiskCall::kSyncDirectory && strike.path == "/";
  disk.heal();
  {
    StorageFixture server;
    set_up_for_work(server);
    server.use(disk);
    server.start();
    const Data found = shown(server);
    REQUIRE(history.allows(found));
    history.restarted(found);
    if (nameless) return;
    put_until_taken(server, history);
  }
  INFO("after a start on the same machine");
  judge(*disk.after_crash({}), history);
}

// False when the work makes fewer such calls.
bool strike(DiskCall call, const Way& way, std::uint64_t after) {
  FaultyFileSystem disk;
  const SetFault fault(disk, call, way, after);
  WriteHistory history;
  std::optional<Strike> struck;
  {
    StorageFixture server;
    set_up_for_work(server);
    server.use(disk);
    if (is_full(way)) server.on_refusal([&disk] { disk.heal(); });
    const WorkEnd end = work(server, history);
    if (!fault.struck()) return false;
    struck.emplace(Strike{call, way, disk.struck_path(), fault.struck_closing()});
    INFO("on " << struck->path);
    TortureRun::get().count(end.completed() ? "not_noticed" : "noticed");
    if (must_not_show(call, way)) CHECK(end.completed());
    if (end.completed()) {
      judge(*disk.after_crash({}), history);
      return true;
    }
    check_error(*struck, end);
    judge_crashes(disk, history);
    if (server.is_open()) check_afterwards(*struck, end.in, server, disk, history);
  }
  judge_crashes(disk, history);
  start_again(*struck, disk, history);
  return true;
}

// So many calls of each kind the work makes when nothing fails; the idle log's may be some more or less.
std::uint64_t calls_of(DiskCall call) {
  FaultyFileSystem disk;
  StorageFixture server;
  set_up_for_work(server);
  server.use(disk);
  WriteHistory history;
  REQUIRE(work(server, history).completed());
  return disk.calls(call);
}

void strike_all(const NamedCall& named, const Way& way, std::uint64_t calls) {
  TortureRun& run = TortureRun::get();
  run.count("calls", calls);
  // When all are struck, the last is the one that was not made any more.
  const bool all = run.step() == 1;
  for (std::uint64_t after = 0; (all || after < calls) && !run.is_over(); ++after) {
    const std::string piece = fmt::format("{} number {} of {}: {}", named.name, after + 1, calls, way.name);
    if (!run.takes(piece)) {
      if (after >= calls) break;
      continue;
    }
    INFO(piece);
    run.begin(piece);
    if (!strike(named.call, way, after)) break;
    run.count("struck");
    run.done();
  }
}

TEST_CASE("faults: each call to the disk fails in each way, and what was promised is kept", "[faults]") {
  TortureRun& run = TortureRun::get();
  for (const NamedCall& named : all_calls()) {
    const std::uint64_t calls = calls_of(named.call);
    for (const Way& way : all_ways()) {
      if (applies(named.call, way)) strike_all(named, way, calls);
    }
  }
  CHECK((run.counted("struck") > 0 || !run.only.empty()));
}

}  // namespace
}  // namespace kv
