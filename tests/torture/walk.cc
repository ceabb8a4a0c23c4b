// Mode switches on a simulated disk: all twelve pairs cut at every call, and random walks with crashes in them.
#include <functional>

#include <catch2/catch.hpp>

#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"
#include "tests/torture/run.h"

namespace kv {
namespace {

constexpr Mode kModes[] = {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid};

// What was written since the last start, and which prefixes of it a crash may leave.
class Promise {
 public:
  void restart(Data found, Mode mode) {
    states_ = {std::move(found)};
    mode_ = mode;
    safe_ = 0;
  }
  // A write that was sent; `acknowledged` when it was answered.
  void write(const std::string& key, const std::optional<std::string>& value) {
    Data next = states_.back();
    if (value) next[key] = *value;
    if (!value) next.erase(key);
    states_.push_back(std::move(next));
  }
  void acknowledged() {
    if (has_log(mode_)) safe_ = states_.size() - 1;
  }
  void snapshot_taken() { safe_ = states_.size() - 1; }
  // The switch is complete: it keeps what there is, whatever was promised before.
  void switched(Mode to) {
    mode_ = to;
    safe_ = states_.size() - 1;
  }
  Mode mode() const { return mode_; }
  const Data& newest() const { return states_.back(); }

  // `to`: the mode that a switch under way leads to. `snapshot`: one was being taken.
  bool allows(const Data& found, std::optional<Mode> to, bool snapshot) const {
    if (found.empty() && (mode_ == Mode::kNonPersistent || to == Mode::kNonPersistent)) return true;
    if (to && *to != Mode::kNonPersistent && found == newest()) return true;
    if (mode_ == Mode::kNonPersistent) return false;
    if (mode_ == Mode::kSnapshot) return found == states_[safe_] || (snapshot && found == newest());
    for (std::size_t n = safe_; n < states_.size(); ++n) {
      if (found == states_[n]) return true;
    }
    return false;
  }

 private:
  std::vector<Data> states_{1};  // [n]: after n writes
  std::size_t safe_ = 0;
  Mode mode_ = Mode::kHybrid;
};

Survivors survivors(std::uint64_t dice, std::uint64_t seed) {
  switch (dice % 4) {
    case 0:
      return {Survivors::Which::kNone, 0, 0, 0};
    case 1:
      return {Survivors::Which::kAll, 0, 0, 0};
    case 2:
      return {Survivors::Which::kOnlyNames, 0, 0, 0};
    default:
      return {Survivors::Which::kRandom, 0, 0, seed};
  }
}

std::string text_of(const Data& data) {
  std::string text;
  for (const auto& [key, value] : data) text += key + "=" + value + " ";
  return text.empty() ? "nothing" : text;
}

bool write(StorageFixture& server, Promise& promise, const std::string& key, const std::string& value) {
  promise.write(key, value);
  const auto revision = server.try_put(key, value);
  if (!revision.ok()) return false;
  CHECK((server.last_level() == Level::kDisk) == has_log(promise.mode()));
  promise.acknowledged();
  return true;
}

// Starts on what a crash left, and gives the data that it finds. A switch that MANIFEST shows under way goes on by
// itself, at some moment after the start: asking for the same one shares its answer, so that the mode is known.
Data start_again(StorageFixture& server, Promise& promise, const std::function<void(const Data&)>& judge) {
  const std::optional<SwitchRecord> under_way = server.manifest().mode_switch;
  server.start();
  Data found = server.data();
  judge(found);
  if (!under_way || under_way->phase == SwitchPhase::kFailed) {
    promise.restart(found, server.storage().status().settings.mode);
    return found;
  }
  const absl::Status done = server.change(StorageFixture::to(under_way->to));
  INFO("the start goes on with a switch to " << word(under_way->to) << ": " << done.ToString());
  REQUIRE(done.ok());
  promise.restart(found, under_way->to);
  promise.switched(under_way->to);
  TortureRun::get().count("resumed_switches");
  return found;
}

// One of the twelve, prepared: writes, a snapshot where there can be one, writes.
void prepare(StorageFixture& server, FaultyFileSystem& disk, Promise& promise, Mode from) {
  server.use(disk);
  server.start();
  promise.restart({}, from);
  REQUIRE(write(server, promise, "a", "1"));
  REQUIRE(write(server, promise, "b", "1"));
  if (from != Mode::kNonPersistent) {
    REQUIRE(server.snapshot().ok());
    promise.snapshot_taken();
  }
  REQUIRE(write(server, promise, "a", "2"));
  REQUIRE(write(server, promise, "c", "1"));
}

void cut_switch(Mode from, Mode to, std::uint64_t call, std::uint64_t torn_bytes) {
  FaultyFileSystem disk;
  Promise promise;
  bool ok = false;
  {
    StorageFixture server(from);
    prepare(server, disk, promise, from);
    disk.power_off_at(disk.calls() + call, torn_bytes);
    ok = server.change(StorageFixture::to(to)).ok();
    if (ok) promise.switched(to);
  }
  for (std::uint64_t which = 0; which < 4; ++which) {
    const auto left = disk.after_crash(survivors(which, call));
    StorageFixture next(from);
    next.use(*left);
    Promise after;
    start_again(next, after, [&](const Data& found) {
      INFO("survivors " << which << (ok ? ", switched" : ", not switched") << ": " << text_of(found));
      CHECK(promise.allows(found, ok ? std::nullopt : std::optional(to), false));
    });
    REQUIRE(write(next, after, "after", "1"));
    next.restart();
    CHECK(next.data() == (after.mode() == Mode::kNonPersistent ? Data{} : after.newest()));
    TortureRun::get().count("crashes");
  }
}

TEST_CASE("switches: all twelve, cut at every call, by a kill and by a power cut", "[switches]") {
  TortureRun& run = TortureRun::get();
  const std::uint64_t step = run.step();
  for (const Mode from : kModes) {
    for (const Mode to : kModes) {
      if (from == to) continue;
      std::uint64_t calls = 0;
      {
        FaultyFileSystem disk;
        Promise promise;
        StorageFixture server(from);
        prepare(server, disk, promise, from);
        const std::uint64_t before = disk.calls();
        REQUIRE(server.change(StorageFixture::to(to)).ok());
        calls = disk.calls() - before;
      }
      REQUIRE(calls > 4);
      for (std::uint64_t call = 1; call <= calls + 1 && !run.is_over(); call += step) {
        const std::string piece = fmt::format("{} to {}, cut at call {} of {}", word(from), word(to), call, calls);
        INFO(piece);
        run.begin(piece);
        cut_switch(from, to, call, call % 100);
        run.count("cuts");
        run.done();
      }
    }
  }
}

// Calls of the disk after which a cut that is aimed at a step comes: a write makes two or three, a switch some dozens.
constexpr std::uint64_t kCutWithinCalls = 40;

// One life of a random walk: it ends with a crash, at a call of the disk or between two steps.
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
    bool ended = false;
    std::optional<Mode> to;
    bool in_snapshot = false;
    {
      StorageFixture server;  // Always the same mode given: leaving it is no edit.
      server.use(*disk_);
      if (life == 0) server.start();
      if (life > 0) start_again(server, promise_, [this](const Data& found) { judge(found); });
      const std::uint64_t steps = 1 + below(12);
      // Two lives in three end inside a step: the cut is aimed at one of them, because a count from the start would
      // mostly lie behind the last. A step may be over sooner than the cut, which then meets a later one or nothing.
      const std::uint64_t aimed_at = below(3) != 0 ? below(steps) : steps;
      for (std::uint64_t n = 0; n < steps && !ended; ++n) {
        if (n == aimed_at) disk_->power_off_at(disk_->calls() + 1 + below(kCutWithinCalls), below(300));
        to.reset();
        in_snapshot = false;
        ended = !step(server, to, in_snapshot);
      }
    }
    pending_to_ = ended ? to : std::nullopt;
    pending_snapshot_ = ended && in_snapshot;
    disk_ = disk_->after_crash(survivors(below(4), random_()));
    TortureRun::get().count("crashes");
    TortureRun::get().count(ended ? "in_a_step" : "between_steps");
  }

  void judge(const Data& found) const {
    INFO("after a crash in " << word(promise_.mode()) << (pending_to_ ? " on the way to another mode" : "") << ": "
                             << text_of(found) << ", newest " << text_of(promise_.newest()));
    REQUIRE(promise_.allows(found, pending_to_, pending_snapshot_));
  }

  // False when the disk is gone.
  bool step(StorageFixture& server, std::optional<Mode>& to, bool& in_snapshot) {
    const std::uint64_t dice = below(10);
    if (dice < 4) return write(server, promise_, fmt::format("k{}", below(6)), fmt::format("v{}", ++values_));
    if (dice < 8) {
      to = kModes[below(4)];
      if (!server.change(StorageFixture::to(*to)).ok()) return false;
      if (*to != promise_.mode()) ++switches_;
      if (*to != promise_.mode()) promise_.switched(*to);
      return true;
    }
    if (promise_.mode() == Mode::kNonPersistent) return true;
    in_snapshot = true;
    if (!server.snapshot().ok()) return false;
    promise_.snapshot_taken();
    return true;
  }

  std::mt19937_64 random_;
  std::unique_ptr<FaultyFileSystem> disk_;
  Promise promise_;
  std::optional<Mode> pending_to_;
  bool pending_snapshot_ = false;
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
}

}  // namespace
}  // namespace kv
