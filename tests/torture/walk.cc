// Random walks on a simulated disk: writes, switches and snapshots with a writer beside them, crashes in and between
// them, and starts that are cut.
#include <catch2/catch.hpp>

#include "tests/persistence/storage_story.h"
#include "tests/torture/run.h"
#include "tests/torture/switch_crash.h"

namespace kv {
namespace {

constexpr Mode kModes[] = {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid};

// Calls of the disk after which a cut that is aimed at a step comes: a write makes two or three, a switch some dozens
// of its own. One that is aimed at a start: it makes about so many.
constexpr std::uint64_t kCutWithinCalls = 40;
constexpr std::uint64_t kStartCalls = 80;

// One life after the other, each of which ends with a crash, at a call of the disk or between two steps.
class Walk {
 public:
  explicit Walk(std::uint64_t seed) : random_(seed), disk_(std::make_unique<FaultyFileSystem>()) {}

  std::uint64_t run(unsigned lives) {
    promise_.restart({}, Mode::kHybrid);
    for (unsigned life = 0; life < lives; ++life) live(life);
    return switches_;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void live(unsigned life) {
    // Up to two starts that come to nothing.
    for (int n = 0; life > 0 && n < 2 && below(3) == 0; ++n) {
      disk_ = cut_start(*disk_, Mode::kHybrid, 1 + below(kStartCalls), survivors(below(4), random_()), promise_,
                        under_way_, [this](const Data& found) { judge(found); });
    }
    AimedCut aimed(*disk_);
    bool ended = false;
    {
      StorageFixture server;  // Always the same mode given: leaving it is no edit.
      set_up_for_switches(server, *disk_);
      if (life == 0) server.start();
      if (life > 0) start_again(server, promise_, [this](const Data& found) { judge(found); });
      const std::uint64_t steps = 1 + below(12);
      // Two lives in three end inside a step: the cut is aimed at one of them, because a count from the start would
      // mostly lie behind the last. A step may be over sooner than the cut, which then meets a later one or nothing.
      const std::uint64_t aimed_at = below(3) != 0 ? below(steps) : steps;
      for (std::uint64_t n = 0; n < steps && !ended; ++n) {
        under_way_ = {};
        ended = !step(server, n == aimed_at ? &aimed : nullptr);
      }
    }
    if (!ended) under_way_ = {};
    disk_ = disk_->after_crash(survivors(below(4), random_()));
    TortureRun::get().count("crashes");
    TortureRun::get().count(ended ? "in_a_step" : "between_steps");
  }

  void judge(const Data& found) const {
    INFO("after a crash in " << word(promise_.mode()) << (under_way_.to ? " on the way to another mode" : "") << ": "
                             << text_of(found) << ", newest " << text_of(promise_.newest()) << "; "
                             << promise_.numbers(found));
    REQUIRE(promise_.allows(found, under_way_));
  }

  // False when the disk is gone. `cut`: where one is aimed at this step.
  bool step(StorageFixture& server, AimedCut* cut) {
    const std::uint64_t dice = below(10);
    if (dice < 4) return write_one(server, cut);
    if (dice < 8) return switch_to(server, kModes[below(4)], cut);
    return promise_.mode() == Mode::kNonPersistent || take_snapshot(server, cut);
  }

  // Nobody writes beside it, so every call counts.
  bool write_one(StorageFixture& server, const AimedCut* cut) {
    if (cut != nullptr) disk_->power_off_at(disk_->calls() + 1 + below(kCutWithinCalls), below(300));
    const std::uint64_t dice = below(8);
    std::optional<std::string> value = fmt::format("v{}", ++values_);
    if (dice == 0) value = large(*value);
    if (dice == 1) value.reset();
    const bool had_log = has_log(promise_.mode());
    if (!write(server, promise_, fmt::format("k{}", below(6)), value)) return false;
    CHECK((server.last_level() == Level::kDisk) == had_log);
    return true;
  }

  bool switch_to(StorageFixture& server, Mode to, AimedCut* cut) {
    WriterBeside writer(server, promise_, values_);
    const Promise::UnderWay asked{to, false, writer.answered()};
    if (to != promise_.mode()) under_way_ = asked;
    if (cut != nullptr) cut->aim(1 + below(kCutWithinCalls), below(300));
    const bool ok = server.change(StorageFixture::to(to)).ok();
    // With a log the switch says OK when all that was answered before is on disk.
    const Promise::Range range{has_log(to) ? writer.answered() : asked.begun, writer.sent()};
    writer.stop();
    TortureRun::get().count("written_beside", writer.answered() - asked.begun);
    if (!ok) return false;
    if (to != promise_.mode()) ++switches_;
    if (to != promise_.mode()) promise_.switched(to, range);
    return true;
  }

  bool take_snapshot(StorageFixture& server, AimedCut* cut) {
    WriterBeside writer(server, promise_, values_);
    under_way_ = {std::nullopt, true, writer.answered()};
    if (cut != nullptr) cut->aim(1 + below(kCutWithinCalls), below(300));
    const bool ok = server.snapshot().ok();
    const Promise::Range range{under_way_.begun, writer.sent()};
    writer.stop();
    TortureRun::get().count("written_beside", writer.answered() - under_way_.begun);
    if (!ok) return false;
    promise_.snapshot_taken(range);
    return true;
  }

  std::mt19937_64 random_;
  std::unique_ptr<FaultyFileSystem> disk_;
  Promise promise_;
  Promise::UnderWay under_way_;  // when the last life ended
  std::uint64_t switches_ = 0;
  std::uint64_t values_ = 0;
};

TEST_CASE("walk: random switches, writes and snapshots with crashes leave what was promised", "[walk]") {
  TortureRun& run = TortureRun::get();
  std::mt19937_64 seeds(run.options.seed);
  const std::uint64_t wanted = std::max<std::uint64_t>(run.options.cycles, 1);
  while (run.counted("switches") < wanted && !run.is_over()) {
    const std::uint64_t seed = seeds();
    INFO("walk of seed " << seed);
    run.begin(fmt::format("walk of seed {}", seed));
    run.count("switches", Walk(seed).run(8));
    run.done();
  }
  CHECK(run.counted("in_a_step") * 10 >= run.counted("crashes"));
  CHECK(run.counted("written_beside") > run.counted("switches"));
  CHECK(run.counted("starts_cut") > 0);
}

}  // namespace
}  // namespace kv
