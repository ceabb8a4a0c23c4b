#include "core/poll_loop.h"

#include <string>

#include <catch2/catch.hpp>

#include "tests/support/scripted_queue.h"

using namespace kv;

TEST_CASE("poll loop: what is deferred runs when no event is there any more, before the loop waits") {
  std::string notes;
  Step later(notes, 'L');
  Step first(notes, 'a', [&] { CHECK(PollLoop::defer(later)); });
  Step second(notes, 'b');
  Step third(notes, 'c');
  ScriptedQueue queue{notes, {&first, &second, nullptr, &third, nullptr}};
  PollLoop::run(queue);
  CHECK(notes == "abL-c-");
}

TEST_CASE("poll loop: however many events come, what is deferred waits for no more than its bound") {
  std::string notes;
  Step later(notes, 'L');
  Step first(notes, 'a', [&] { CHECK(PollLoop::defer(later)); });
  Step other(notes, 'b');
  ScriptedQueue queue{notes, {&first}};
  for (int i = 0; i < 3 * PollLoop::kEventsMax; ++i) queue.events.push_back(&other);
  PollLoop::run(queue);
  CHECK(notes.find('L') == PollLoop::kEventsMax);
  CHECK(notes.size() == 3 * PollLoop::kEventsMax + 2);
}

TEST_CASE("poll loop: what is deferred by something deferred comes the next time, and events before it") {
  std::string notes;
  Step last(notes, 'Z');
  ScriptedQueue queue{notes, {}};
  Step event(notes, 'e');
  Step later(notes, 'L', [&] {
    CHECK(PollLoop::defer(last));
    queue.events.push_front(&event);
  });
  Step first(notes, 'a', [&] { CHECK(PollLoop::defer(later)); });
  queue.events = {&first, nullptr};
  PollLoop::run(queue);
  CHECK(notes == "aLeZ-");
}

TEST_CASE("poll loop: at the end of the queue nothing deferred is left, and a thread without a loop defers nothing") {
  std::string notes;
  Step later(notes, 'L');
  Step first(notes, 'a', [&] { CHECK(PollLoop::defer(later)); });
  ScriptedQueue queue{notes, {&first}};
  PollLoop::run(queue);
  CHECK(notes == "aL");
  CHECK_FALSE(PollLoop::defer(later));
  CHECK(notes == "aL");
}
