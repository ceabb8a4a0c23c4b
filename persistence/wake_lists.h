// Completions sorted by the scheduler they go home to, so that each scheduler is woken once.
// Threads: one at a time. post() outside of locks.
#pragma once

#include <utility>
#include <vector>

#include "core/completion.h"

namespace kv {

class WakeLists {
 public:
  bool empty() const noexcept { return lists_.empty(); }

  void push(Scheduler& home, Completion& completion) {
    for (auto& [scheduler, list] : lists_) {
      if (scheduler == &home) return list.push(completion);
    }
    lists_.emplace_back(&home, CompletionList()).second.push(completion);
  }

  void post() noexcept {
    for (auto& [scheduler, list] : lists_) scheduler->post(std::move(list));
    lists_.clear();
  }

 private:
  std::vector<std::pair<Scheduler*, CompletionList>> lists_;  // a handful: one entry a reactor
};

}  // namespace kv
