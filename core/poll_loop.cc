#include "core/poll_loop.h"

#include <utility>

namespace kv {
namespace {

thread_local CompletionList* deferred_here = nullptr;

}  // namespace

PollLoop::PollLoop() noexcept { deferred_here = &deferred_; }

PollLoop::~PollLoop() { deferred_here = nullptr; }

bool PollLoop::defer(Completion& later) noexcept {
  if (deferred_here == nullptr) return false;
  deferred_here->push(later);
  return true;
}

// What is deferred meanwhile is for the next time, else it could go on for ever.
void PollLoop::run_deferred() noexcept {
  events_ = 0;
  CompletionList now = std::move(deferred_);
  while (Completion* completion = now.pop()) completion->complete(true);
}

}  // namespace kv
