// Awaits a change of settings, but only so long: the old Config call has one second to answer whatever the size of the
// data. One that is not on record then is not said to be under way: a kill would forget it. It has a little longer to
// get there, and is in doubt after that.
//
// Hard part: two threads may end the wait, storage's and the timer's; the first one posts the coroutine home, the other
// finds that it came second. What they share outlives the coroutine's frame.
//
// Threads:  resumes on `home`.
// Lifetime: storage and events outlive the wait, and end both callbacks before they go.
#pragma once

#include <chrono>
#include <coroutine>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "core/completion.h"
#include "persistence/storage.h"
#include "server/event_thread.h"

namespace kv {

// co_await gives the change's result, nothing when it is on record and still under way, OUTCOME_UNKNOWN when it is not.
class [[nodiscard]] SettingsChangeWait final : public Completion {
 public:
  SettingsChangeWait(Storage& storage, EventThread& events, SettingsChange change, std::chrono::milliseconds patience,
                     std::chrono::milliseconds patience_for_record, Scheduler& home)
      : storage_(storage),
        events_(events),
        change_(change),
        patience_(patience),
        patience_for_record_(patience_for_record),
        home_(home) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter);
  std::optional<absl::Status> await_resume();
  void complete(bool ok) noexcept override;

 private:
  struct Shared;

  Storage& storage_;
  EventThread& events_;
  const SettingsChange change_;
  const std::chrono::milliseconds patience_, patience_for_record_;  // from the beginning
  Scheduler& home_;
  std::coroutine_handle<> waiter_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace kv
