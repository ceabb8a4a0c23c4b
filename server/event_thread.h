// One thread for what comes from outside of the calls: the process's signals and a few timers.
//
// Threads:  any; callbacks run on this thread, one at a time, and must be short.
// Lifetime: the destructor drops timers that have not fired and joins. What a callback uses outlives this object.
// Source:   signals as in docs/operations.md.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace kv {

class EventThread {
 public:
  EventThread();
  ~EventThread();
  EventThread(const EventThread&) = delete;
  EventThread& operator=(const EventThread&) = delete;

  // From now on these signals are only told, and do nothing else.
  void on_signals(const std::vector<int>& numbers, std::function<void(int)> told);
  void after(std::chrono::milliseconds delay, std::function<void()> then);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kv
