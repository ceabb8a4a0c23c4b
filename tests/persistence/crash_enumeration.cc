#include "tests/persistence/crash_enumeration.h"

#include <algorithm>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/persistence/data_loss_fixture.h"
#include "tests/persistence/journal_disk_story.h"
#include "tests/persistence/storage_story.h"

namespace kv {
namespace {

constexpr std::uint64_t kNever = UINT64_MAX;

struct Life {
  std::uint64_t calls = 0;  // to its disk, those after the cut included
  LossCounts losses;
};
// Lives, with the power off from that call on, and judges what is left. The seed is for random losses.
using LiveUntil = std::function<Life(std::uint64_t call, std::uint64_t seed)>;

CrashCounts cut_everywhere(const CrashPlan& plan, const std::string& what, const LiveUntil& live) {
  CrashCounts counts;
  const auto begin = [&](const std::string& piece) { return plan.go_on(what + ", " + piece); };
  if (!begin("not cut")) return counts;
  counts.calls = live(kNever, plan.seed).calls;
  for (std::uint64_t call = 1;; call += plan.step) {
    const std::string piece = fmt::format("power off at call {} of about {}", call, counts.calls);
    if (!begin(piece)) return counts;
    INFO(what << ", " << piece);
    const Life life = live(call, plan.seed + call);
    if (life.calls < call && call > counts.calls) break;
    if (life.calls < call) continue;  // A short one: another may be cut later.
    ++counts.cuts;
    counts.losses += life.losses;
  }
  if (plan.step == 1) counts.calls = counts.cuts;  // As many as the longest life made.
  return counts;
}

Life live_storage(std::uint64_t call, std::uint64_t seed) {
  FaultyFileSystem disk;
  disk.power_off_at(call, call % 200);
  WriteHistory history;
  {
    StorageFixture server;
    set_up_for_work(server);
    server.use(disk);
    const WorkEnd end = work(server, history);
    INFO(end.status.ToString());
    if (disk.calls() < call) CHECK(end.completed());
  }
  return {disk.calls(), for_each_loss(disk, seed, [&](FaultyFileSystem& left, const std::string& what) {
            INFO("survived: " << what);
            judge(left, history);
          })};
}

void write_to_journal(DiskStory& disk, FsyncPolicy policy) {
  disk.story.options_.settings.fsync = policy;
  disk.story.options_.idle_after = std::chrono::milliseconds(1);
  disk.story.start_logging();
  if (!disk.story.opened_.ok()) return;
  const std::string value(300'000, 'v');
  for (std::size_t i = 0; i < 9; ++i) {
    disk.story.write("k" + std::to_string(i), i % 3 == 2 ? value : "v", i % 2 == 0 ? Level::kDisk : Level::kMemory);
    disk.story.write("l" + std::to_string(i), value, Level::kDisk);
    disk.story.outcomes_.wait_for(2 * i + 2);
  }
}

// The newest revision that may not be lost: acknowledged, and durable as far as the journal knows.
Revision promised(DiskStory& disk) {
  Revision newest = 0;
  for (const auto& [revision, status] : disk.story.outcomes_.all()) {
    if (status.ok() && revision <= disk.story.journal_->durable()) newest = std::max(newest, revision);
  }
  return newest;
}

Life live_journal(FsyncPolicy policy, std::uint64_t call, std::uint64_t seed) {
  DiskStory disk;
  disk.fs.power_off_at(call, call * 37 % 500);
  write_to_journal(disk, policy);
  // Behind a stop nothing writes by itself any more. It fails where the power is off, which is the story.
  if (disk.story.opened_.ok()) disk.story.journal_->stop().status().IgnoreError();
  const Revision acknowledged = promised(disk);
  const std::vector<NamedSegment> named = disk.story.keeper_.named();
  return {disk.fs.calls(), for_each_loss(disk.fs, seed, [&](FaultyFileSystem& left, const std::string& what) {
            const auto replay = replay_log(left, "/aof", disk.story.options_.store_id, named, nullptr);
            INFO("survived: " << what << "; replay: " << replay.status());
            REQUIRE(replay.ok());
            CHECK(replay->last_revision >= acknowledged);
            const auto safe = copy_tail(left, "/aof", disk.story.options_.store_id, *replay, 99, 0);
            REQUIRE(safe.ok());
            CHECK((safe->end().number == 0 ? 0 : safe->end().last_revision) == replay->last_revision);
          })};
}

// A store with a damaged file, refused; the token that a start gave out, and what is left with it.
struct AcceptedStart {
  explicit AcceptedStart(Mode of) : mode(of), sound(of) {
    sound.server.start();
    sound.server.put("a", "1");
    REQUIRE(sound.server.snapshot().ok());
    left = sound.server.data();
    sound.server.put("b", "a value to be found");
    sound.server.put("c", "3");
    if (mode == Mode::kSnapshot) REQUIRE(sound.server.snapshot().ok());
    sound.server.kill();
    std::size_t at = 200;
    if (mode == Mode::kAof) at = find_in_log("a value to be found");
    sound.flip(file, at);
    damaged = sound.read(file);
    token = sound.refused();
    sound.disk->make_durable();
  }
  std::size_t find_in_log(const std::string& text) {
    for (const std::string& name : sound.server.files("aof")) {
      const std::size_t at = sound.read("aof/" + name).find(text);
      if (at == std::string::npos) continue;
      file = "aof/" + name;
      return at;
    }
    FAIL("the log does not hold: " << text);
    return 0;
  }

  Mode mode;
  Damaged sound;
  std::string file = kSnap2;
  std::string damaged;
  std::string token;
  Data left;
};

Life live_accepted_start(const AcceptedStart& start, std::uint64_t call, std::uint64_t seed) {
  Damaged story(start.mode);
  story.disk = start.sound.disk->after_crash({Survivors::Which::kAll, 0, 0, 0});
  story.server.use(*story.disk);
  story.disk->power_off_at(call, call * 37 % 100);
  story.server.accept_ = start.token;
  const bool opened = story.server.open().ok();
  story.server.kill();
  if (story.disk->calls() < call) CHECK(opened);
  return {story.disk->calls(), for_each_loss(*story.disk, seed, [&](FaultyFileSystem& left, const std::string& what) {
            Damaged next(start.mode);
            next.server.use(left);
            next.server.accept_ = start.token;  // as a supervisor that starts the same command again
            const absl::Status again = next.server.open();
            INFO(start.file << ", survived: " << what << "; again: " << again.ToString());
            REQUIRE(again.ok());
            CHECK(next.server.data() == start.left);
            // Compared here: of a segment that differs Catch2 would make a text, and take minutes to break its lines.
            const bool kept = left.contents(next.server.path(start.file + ".damaged")) == start.damaged;
            CHECK(kept);
          })};
}

}  // namespace

CrashCounts cut_storage(const CrashPlan& plan) { return cut_everywhere(plan, "storage", live_storage); }

CrashCounts cut_journal(const CrashPlan& plan) {
  CrashCounts counts;
  for (const FsyncPolicy policy : {FsyncPolicy::kAlways, FsyncPolicy::kNever}) {
    counts +=
        cut_everywhere(plan, fmt::format("the log under {}", word(policy)),
                       [policy](std::uint64_t call, std::uint64_t seed) { return live_journal(policy, call, seed); });
  }
  return counts;
}

CrashCounts cut_accepted_start(const CrashPlan& plan) {
  CrashCounts counts;
  for (const Mode mode : {Mode::kSnapshot, Mode::kAof}) {
    const AcceptedStart start(mode);
    counts += cut_everywhere(
        plan, fmt::format("an accepted start of {}", word(mode)),
        [&start](std::uint64_t call, std::uint64_t seed) { return live_accepted_start(start, call, seed); });
  }
  return counts;
}

}  // namespace kv
