// A completion queue whose events are a script, for what a poller does between them (core/poll_loop.h).
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "core/completion.h"

namespace kv {

// Notes its letter when it is completed, and does what the test says.
struct Step final : Completion {
  Step(
      std::string& notes, char letter, std::function<void()> then = [] {})
      : notes(notes), letter(letter), then(std::move(then)) {}
  void complete(bool ok) noexcept override {
    notes += ok ? letter : '!';
    then();
  }
  std::string& notes;
  const char letter;
  const std::function<void()> then;
};

// As grpc::CompletionQueue, with the events of a script. A null is a moment without one: AsyncNext() gives up there,
// and Next() notes that it waits.
// NOLINTBEGIN(readability-identifier-naming): the library's names
struct ScriptedQueue {
  enum NextStatus { SHUTDOWN, GOT_EVENT, TIMEOUT };

  bool Next(void** tag, bool* ok) {
    while (!events.empty() && events.front() == nullptr) {
      notes += '-';
      events.pop_front();
    }
    return take(tag, ok);
  }
  template <class Deadline>
  NextStatus AsyncNext(void** tag, bool* ok, const Deadline&) {
    if (!events.empty() && events.front() == nullptr) return TIMEOUT;
    return take(tag, ok) ? GOT_EVENT : SHUTDOWN;
  }
  bool take(void** tag, bool* ok) {
    if (events.empty()) return false;
    *tag = events.front();
    *ok = true;
    events.pop_front();
    return true;
  }

  std::string& notes;
  std::deque<Completion*> events{};
  // NOLINTEND(readability-identifier-naming)
};

}  // namespace kv
