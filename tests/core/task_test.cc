#include "core/task.h"

#include <future>
#include <memory>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/support/thread_scheduler.h"

namespace kv {
namespace {

// Something that is waited for until the test says that it has happened.
struct Event {
  Completion* waiter = nullptr;
  auto happened() {
    return OnCompletion([this](Completion& completion) { waiter = &completion; });
  }
};

// Counts the locals that are alive in coroutine frames.
struct Guest {
  explicit Guest(int& alive) : alive(alive) { ++alive; }
  ~Guest() { --alive; }
  Guest(const Guest&) = delete;
  int& alive;
};

Task<int> add(int a, int b) { co_return a + b; }

Task<int> sum_to(int n) {
  if (n == 0) co_return 0;
  const int rest = co_await sum_to(n - 1);
  co_return co_await add(n, rest);
}

Task<std::unique_ptr<std::string>> when(Event& event, int& alive) {
  const Guest guest(alive);
  const bool ok = co_await event.happened();
  co_return std::make_unique<std::string>(ok ? "yes" : "no");
}

Detached keep_result(Event& event, int& alive, std::string& result) {
  const Guest guest(alive);
  result = *co_await when(event, alive);
}

Detached run(Task<int> task, int& result) { result = co_await task; }

Task<bool> hop(Scheduler& to) {
  co_return co_await OnCompletion([&to](Completion& completion) { to.post(completion); });
}

Detached report_thread(Scheduler& to, std::promise<std::thread::id>& thread) {
  const bool ok = co_await hop(to);
  if (ok) thread.set_value(std::this_thread::get_id());
}

Detached count_hops(Scheduler& to, int hops, std::promise<int>& done) {
  int made = 0;
  for (int i = 0; i < hops; ++i) made += co_await hop(to) ? 1 : 0;
  done.set_value(made);
}

}  // namespace

TEST_CASE("task: it starts when it is awaited, and nested results come back") {
  int result = -1;
  Task<int> task = sum_to(100);
  CHECK(result == -1);
  run(std::move(task), result);
  CHECK(result == 5050);
}

TEST_CASE("task: it waits until the event, gets its outcome, and frees every frame") {
  Event event;
  int alive = 0;
  std::string result;
  keep_result(event, alive, result);
  CHECK(alive == 2);
  CHECK(result.empty());
  SECTION("it happened") {
    event.waiter->complete(true);
    CHECK(result == "yes");
  }
  SECTION("it will not happen") {
    event.waiter->complete(false);
    CHECK(result == "no");
  }
  CHECK(alive == 0);
}

TEST_CASE("task: one that is never awaited is freed without having run") {
  Event event;
  int alive = 0;
  { const auto task = when(event, alive); }
  CHECK(event.waiter == nullptr);
  CHECK(alive == 0);
}

TEST_CASE("task: it goes on where the scheduler runs it, again and again") {
  std::promise<std::thread::id> thread;
  std::promise<int> hops;
  ThreadScheduler scheduler;
  report_thread(scheduler, thread);
  count_hops(scheduler, 1000, hops);
  CHECK(thread.get_future().get() != std::this_thread::get_id());
  CHECK(hops.get_future().get() == 1000);
}

}  // namespace kv
