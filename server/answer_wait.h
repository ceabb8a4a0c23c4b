// Awaits what another room will tell later, but no longer than anybody wants to know it.
//
// Hard part: three may end the wait, each on a thread of its own: whoever was asked, the end of the call, and a stop
// that waits for nobody any more. The first one posts the coroutine home, the others find that they came late. What
// they share outlives the coroutine's frame.
//
// Threads:  resumes on call.home(). ParkedWaits: all calls from any thread.
// Lifetime: `parked` and whoever is asked outlive the wait; `call` as in rpc/call.h.
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "core/completion.h"
#include "core/error.h"
#include "rpc/call.h"

namespace kv {

// One wait, as those who may end it early see it.
class ParkedWait {
 public:
  virtual ~ParkedWait() = default;
  virtual void abandon() noexcept = 0;
};

// The waits of a service that a stop can end.
class ParkedWaits {
 public:
  // False after abandon().
  bool add(std::shared_ptr<ParkedWait> wait) {
    std::lock_guard lock(mutex_);
    if (!abandoned_) waits_.insert(std::move(wait));
    return !abandoned_;
  }
  void remove(const std::shared_ptr<ParkedWait>& wait) {
    std::lock_guard lock(mutex_);
    waits_.erase(wait);
  }
  // Ends all of them, and those to come.
  void abandon() {
    std::set<std::shared_ptr<ParkedWait>> waits;
    {
      std::lock_guard lock(mutex_);
      abandoned_ = true;
      waits = waits_;
    }
    for (const auto& wait : waits) wait->abandon();
  }

 private:
  std::mutex mutex_;
  std::set<std::shared_ptr<ParkedWait>> waits_;  // guarded
  bool abandoned_ = false;                       // guarded
};

// co_await gives the Result, which is an absl::Status or an absl::StatusOr: what was told, or why nothing was.
template <class Result>
class [[nodiscard]] AnswerWait final : public Completion, private CallWatcher {
 public:
  using Tell = std::function<void(Result)>;
  using Ask = std::function<void(Tell)>;

  // `ask` is called once, and calls what it is given once, on any thread.
  AnswerWait(Call& call, ParkedWaits& parked, Ask ask)
      : call_(call), parked_(parked), ask_(std::move(ask)), shared_(std::make_shared<Shared>(call.home())) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    watching_ = call_.watch(*this);
    if (!watching_ || !parked_.add(shared_)) return false;
    // From here on others may resume, and so destroy, this: nothing of it is touched.
    const auto shared = shared_;
    const Ask ask = std::move(ask_);
    if (!shared->begin(*this)) return false;
    ask([shared](Result result) { shared->end(std::move(result)); });
    return true;
  }
  Result await_resume() {
    if (watching_) call_.unwatch(*this);
    parked_.remove(shared_);
    std::lock_guard lock(shared_->mutex);
    if (shared_->result) return *std::move(shared_->result);
    const absl::Status wanted = call_.still_wanted();
    return wanted.ok() ? error(Reason::kShuttingDown, "the server stops before there is an answer") : wanted;
  }
  void complete(bool) noexcept override { waiter_.resume(); }

 private:
  struct Shared final : ParkedWait {
    explicit Shared(Scheduler& home) : home(home) {}

    // False: it was ended before it began.
    bool begin(Completion& waiter) {
      std::lock_guard lock(mutex);
      if (!ended) waiting = &waiter;
      return !ended;
    }
    void end(std::optional<Result> with) {
      Completion* waiter;
      {
        std::lock_guard lock(mutex);
        if (std::exchange(ended, true)) return;
        result = std::move(with);
        waiter = waiting;
      }
      if (waiter != nullptr) home.post(*waiter);  // It may be gone the moment this is said.
    }
    void abandon() noexcept override { end(std::nullopt); }

    Scheduler& home;
    std::mutex mutex;
    Completion* waiting = nullptr;  // guarded, as what follows
    bool ended = false;
    std::optional<Result> result;
  };

  void call_over() noexcept override { shared_->abandon(); }

  Call& call_;
  ParkedWaits& parked_;
  Ask ask_;
  const std::shared_ptr<Shared> shared_;
  bool watching_ = false;
  std::coroutine_handle<> waiter_;
};

}  // namespace kv
