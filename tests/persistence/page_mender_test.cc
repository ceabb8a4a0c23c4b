#include "persistence/page_mender.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "snapshot_fork_fixture.h"

namespace kv {
namespace {

// Places that take note of who asks for them.
struct MenderFixture {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::size_t> asked;  // guarded
  std::vector<std::string> warnings;
  std::size_t count = 5;
  int refusal = 0;
  int refusals_asked = 0;
  std::function<Collapse(std::size_t)> answer = [](std::size_t) { return Collapse::kDone; };
  std::optional<PageMender> mender;

  void start() {
    mender.emplace(PageMender::Work{.count = [this] { return count; },
                                    .collapse =
                                        [this](std::size_t index) {
                                          {
                                            std::lock_guard lock(mutex);
                                            asked.push_back(index);
                                          }
                                          changed.notify_all();
                                          return answer(index);
                                        },
                                    .refusal =
                                        [this] {
                                          ++refusals_asked;
                                          return refusal;
                                        }},
                   [this](const std::string& text) { warnings.push_back(text); });
  }
  void wait_for_calls(std::size_t calls) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return asked.size() >= calls; });
  }
};

}  // namespace

TEST_CASE("page mender: a round asks for every place once, and counts what it got") {
  MenderFixture f;
  f.answer = [](std::size_t index) {
    return index == 0 ? Collapse::kNothing : index == 3 ? Collapse::kBusy : Collapse::kDone;
  };
  f.start();
  CHECK(f.asked.empty());
  f.mender->begin();
  f.mender->wait_until_done();
  CHECK(f.asked == std::vector<std::size_t>{0, 1, 2, 3, 4});
  CHECK(f.mender->figures().rounds == 1);
  CHECK(f.mender->figures().whole == 3);
  CHECK(f.mender->figures().busy == 1);
  f.mender->begin();
  f.mender->wait_until_done();
  CHECK(f.asked.size() == 10);
  CHECK(f.mender->figures().rounds == 2);
}

TEST_CASE("page mender: after pause() nobody works on a place, and begin() starts with the first one") {
  MenderFixture f;
  std::atomic<bool> inside{false};
  f.count = 1'000'000'000;
  f.answer = [&](std::size_t) {
    inside = true;
    std::this_thread::yield();
    inside = false;
    return Collapse::kDone;
  };
  f.start();
  for (int round = 0; round < 200; ++round) {
    std::size_t before = 0;
    {
      std::lock_guard lock(f.mutex);
      before = f.asked.size();
    }
    f.mender->begin();
    f.wait_for_calls(before + 2);
    f.mender->pause();
    CHECK_FALSE(inside);
    CHECK(f.asked[before] == 0);
    CHECK(f.asked[before + 1] == 1);
  }
  CHECK(f.mender->figures().rounds == 0);
}

TEST_CASE("page mender: it can be told to begin and be stopped in the middle of a round") {
  MenderFixture f;
  f.count = 1'000'000'000;
  f.start();
  f.mender->begin();
  f.wait_for_calls(3);
  f.mender->begin();
  {
    std::unique_lock lock(f.mutex);
    f.changed.wait(lock, [&] { return std::count(f.asked.begin(), f.asked.end(), 0U) == 2; });
  }
  f.mender.reset();
}

TEST_CASE("page mender: where the system refuses it says so once and does nothing more") {
  MenderFixture f;
  f.refusal = EINVAL;
  f.start();
  for (int i = 0; i < 3; ++i) {
    f.mender->begin();
    f.mender->wait_until_done();
  }
  CHECK(f.mender->figures().refused);
  CHECK(f.asked.empty());
  CHECK(f.refusals_asked == 1);
  REQUIRE(f.warnings.size() == 1);
  CHECK(f.warnings[0].find("Invalid argument") != std::string::npos);
}

TEST_CASE("page mender: no page is worked on while a snapshot's child lives, and all of them are after its end") {
  struct {
    std::mutex mutex;
    std::condition_variable changed;
    bool child_lives = false;
    int while_it_lived = 0;
    int calls = 0;
  } seen;
  ForkFixture fixture;
  fixture.fill(10);
  fixture.options.pages = {.count = [] { return std::size_t{1'000'000'000}; },
                           .collapse =
                               [&](std::size_t) {
                                 std::lock_guard lock(seen.mutex);
                                 ++seen.calls;
                                 if (seen.child_lives) ++seen.while_it_lived;
                                 seen.changed.notify_all();
                                 return Collapse::kDone;
                               },
                           .refusal = [] { return 0; }};
  const auto wait_for_a_call = [&] {
    std::unique_lock lock(seen.mutex);
    seen.changed.wait(lock, [&, before = seen.calls] { return seen.calls > before; });
  };
  fixture.slow_child();
  bool second = false;
  fixture.forker.emplace(
      fixture.io, fixture.fs, fixture.clock, fixture.store,
      [&] {
        std::lock_guard lock(seen.mutex);
        seen.child_lives = second;  // All but: the next thing is the fork.
        return fixture.last_revision.load();
      },
      fixture.options);
  std::future<SnapshotOutcome> first = fixture.begin(7);
  fixture.child_writes.wait(false);
  fixture.forker->cancel();
  first.wait();
  wait_for_a_call();  // A round without end has begun.

  second = true;
  fixture.child_writes = false;
  std::future<SnapshotOutcome> outcome = fixture.begin(8);
  fixture.child_writes.wait(false);
  CHECK_FALSE(fixture.forker->mender().figures().at_work);
  {
    std::lock_guard lock(seen.mutex);
    CHECK(seen.while_it_lived == 0);
    seen.child_lives = false;
  }
  fixture.forker->cancel();
  outcome.wait();
  wait_for_a_call();
  CHECK(fixture.forker->mender().figures().at_work);
}

}  // namespace kv
