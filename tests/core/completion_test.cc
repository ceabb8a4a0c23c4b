#include "core/completion.h"

#include <future>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/thread_scheduler.h"

namespace kv {
namespace {

struct Named final : Completion {
  Named(std::string& log, char name) : log(log), name(name) {}
  void complete(bool ok) noexcept override { log += ok ? name : '!'; }
  std::string& log;
  char name;
};

void run(CompletionList& list) {
  while (Completion* completion = list.pop()) completion->complete(true);
}

}  // namespace

TEST_CASE("completion list: first in, first out, and a completion may be pushed again once it is out") {
  std::string log;
  Named a(log, 'a'), b(log, 'b'), c(log, 'c');
  CompletionList list;
  CHECK(list.empty());
  CHECK(list.pop() == nullptr);
  list.push(a);
  list.push(b);
  CHECK(list.pop() == &a);
  list.push(c);
  list.push(a);
  run(list);
  CHECK(log == "bca");
  CHECK(list.empty());
}

TEST_CASE("completion list: appending and moving take everything in order and leave nothing behind") {
  std::string log;
  Named a(log, 'a'), b(log, 'b'), c(log, 'c'), d(log, 'd');
  CompletionList first, second, empty;
  first.push(a);
  second.push(b);
  second.push(c);
  first.append(std::move(second));
  first.append(std::move(empty));
  second.push(d);
  CompletionList moved = std::move(first);
  moved.append(std::move(second));
  empty = std::move(moved);
  run(empty);
  CHECK(log == "abcd");
  empty.push(a);
  run(empty);
  CHECK(log == "abcda");
}

TEST_CASE("completion list: any one can be taken out, and the rest keeps its order") {
  std::string log;
  Named a(log, 'a'), b(log, 'b'), c(log, 'c');
  for (Named* out : {&a, &b, &c}) {
    CompletionList list;
    for (Named* each : {&a, &b, &c}) list.push(*each);
    CHECK(list.remove(*out));
    CHECK_FALSE(list.remove(*out));
    list.push(*out);  // The end is where it should be.
    run(list);
    log += ' ';
  }
  CHECK(log == "bca acb abc ");
}

TEST_CASE("scheduler: what is posted runs in order, on its own thread, before it is gone") {
  struct Recorder final : Completion {
    void complete(bool) noexcept override { ran_on.set_value(std::this_thread::get_id()); }
    std::promise<std::thread::id> ran_on;
  };
  std::string log;
  Named a(log, 'a'), b(log, 'b');
  Recorder recorder;
  {
    ThreadScheduler scheduler;
    CompletionList list;
    list.push(a);
    list.push(b);
    list.push(recorder);
    scheduler.post(std::move(list));
  }
  CHECK(log == "ab");
  CHECK(recorder.ran_on.get_future().get() != std::this_thread::get_id());
}

}  // namespace kv
