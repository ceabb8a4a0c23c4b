// All twelve mode switches on a simulated disk, cut at every call: alone, and with a writer beside them. The start
// behind the cut is cut too, twice in a row.
#include <catch2/catch.hpp>

#include "tests/persistence/storage_story.h"
#include "tests/torture/run.h"
#include "tests/torture/switch_crash.h"

namespace kv {
namespace {

constexpr Mode kModes[] = {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid};
// Calls of the disk among which the cuts of a start are spread: a start makes about so many.
constexpr std::uint64_t kStartCalls = 80;

bool put(StorageFixture& server, Promise& promise, const std::string& key, const std::string& value) {
  if (!write(server, promise, key, value)) return false;
  CHECK((server.last_level() == Level::kDisk) == has_log(promise.mode()));
  return true;
}

// One of the twelve, prepared: writes, a snapshot where there can be one, writes.
void prepare(StorageFixture& server, FaultyFileSystem& disk, Promise& promise, Mode from) {
  set_up_for_switches(server, disk);
  server.start();
  promise.restart({}, from);
  REQUIRE(put(server, promise, "a", "1"));
  REQUIRE(put(server, promise, "b", "1"));
  if (from != Mode::kNonPersistent) {
    REQUIRE(server.snapshot().ok());
    promise.snapshot_taken({promise.sent_count(), promise.sent_count()});
  }
  REQUIRE(put(server, promise, "a", "2"));
  REQUIRE(write(server, promise, "b", std::nullopt));
  REQUIRE(put(server, promise, "c", "1"));
}

struct Cut {
  Mode from;
  Mode to;
  std::uint64_t call;
  bool beside;  // a writer: then only the switch's own calls count
};

void judge_start(const Cut& cut, std::uint64_t which, std::unique_ptr<FaultyFileSystem> left, Promise promise,
                 Promise::UnderWay under_way) {
  const JudgeFound judge = [&](const Data& found) {
    INFO("survivors " << which << (under_way.to ? ", not switched" : ", switched") << ": " << text_of(found));
    CHECK(promise.allows(found, under_way));
  };
  for (std::uint64_t again = 0; again < 2; ++again) {
    const std::uint64_t call = 1 + (cut.call * 7 + which * 13 + again * 29) % kStartCalls;
    INFO("the start is cut at call " << call);
    left = cut_start(*left, cut.from, call, survivors(which + again, call), promise, under_way, judge);
  }
  StorageFixture next(cut.from);
  set_up_for_switches(next, *left);
  Promise after;
  start_again(next, after, judge);
  REQUIRE(put(next, after, "after", "1"));
  next.restart();
  CHECK(shown(next) == (after.mode() == Mode::kNonPersistent ? Data{} : after.newest()));
  TortureRun::get().count("crashes");
}

void cut_switch(const Cut& cut) {
  FaultyFileSystem disk;
  AimedCut aimed(disk);
  Promise promise;
  Promise::UnderWay under_way;
  {
    StorageFixture server(cut.from);
    prepare(server, disk, promise, cut.from);
    std::uint64_t values = 0;
    std::optional<WriterBeside> writer;
    if (cut.beside) writer.emplace(server, promise, values);
    under_way = {cut.to, false, writer ? writer->answered() : promise.sent_count()};
    if (cut.beside) aimed.aim(cut.call, cut.call % 100);
    if (!cut.beside) disk.power_off_at(disk.calls() + cut.call, cut.call % 100);
    const bool ok = server.change(StorageFixture::to(cut.to)).ok();
    const std::size_t sent = writer ? writer->sent() : promise.sent_count();
    if (writer) TortureRun::get().count("written_beside", writer->answered() - under_way.begun);
    writer.reset();
    if (ok) {
      promise.switched(cut.to, {under_way.begun, sent});
      under_way = {};
    }
  }
  for (std::uint64_t which = 0; which < 4; ++which) {
    judge_start(cut, which, disk.after_crash(survivors(which, cut.call)), promise, under_way);
  }
}

// How many calls the switch makes: all of them, and those that are its own when somebody writes beside it.
struct SwitchCalls {
  std::uint64_t all = 0;
  std::uint64_t own = 0;
};

SwitchCalls calls_of(Mode from, Mode to) {
  FaultyFileSystem disk;
  AimedCut aimed(disk);
  Promise promise;
  StorageFixture server(from);
  prepare(server, disk, promise, from);
  const SwitchCalls before{disk.calls(), aimed.calls()};
  REQUIRE(server.change(StorageFixture::to(to)).ok());
  return {disk.calls() - before.all, aimed.calls() - before.own};
}

void cut_everywhere(Mode from, Mode to, bool beside, std::uint64_t calls) {
  TortureRun& run = TortureRun::get();
  run.count("calls", calls + 1);
  for (std::uint64_t call = 1; call <= calls + 1 && !run.is_over(); ++call) {
    const std::string piece = fmt::format("{} to {}, cut at call {} of {}{}", word(from), word(to), call, calls,
                                          beside ? ", with a writer beside it" : "");
    if (!run.takes(piece)) continue;
    INFO(piece);
    run.begin(piece);
    cut_switch({from, to, call, beside});
    run.count("cuts");
    run.done();
  }
}

TEST_CASE("switches: all twelve, cut at every call, by a kill and by a power cut", "[switches]") {
  TortureRun& run = TortureRun::get();
  for (const Mode from : kModes) {
    for (const Mode to : kModes) {
      if (from == to) continue;
      const SwitchCalls calls = calls_of(from, to);
      REQUIRE(calls.own > 4);
      cut_everywhere(from, to, false, calls.all);
      cut_everywhere(from, to, true, calls.own);
    }
  }
  CHECK(run.counted("cuts") > 0);
  if (run.is_over() || !run.only.empty()) return;
  CHECK(run.counted("written_beside") > run.counted("cuts") / 4);
  CHECK(run.counted("starts_cut") > run.counted("starts_not_cut") / 4);
  CHECK(run.counted("found_in_dual") > 0);
}

}  // namespace
}  // namespace kv
