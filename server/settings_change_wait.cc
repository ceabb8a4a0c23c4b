#include "server/settings_change_wait.h"

#include <mutex>
#include <utility>

#include "core/error.h"

namespace kv {

struct SettingsChangeWait::Shared {
  std::mutex mutex;
  SettingsChangeWait* waiting = nullptr;  // guarded; null once somebody has ended the wait
  bool recorded = false;                  // guarded
  bool late = false;                      // guarded
  std::optional<absl::Status> result;     // guarded

  void tell_recorded() {
    std::unique_lock lock(mutex);
    recorded = true;
    if (!late) return;
    lock.unlock();
    end(std::nullopt);
  }
  void out_of_patience() {
    std::unique_lock lock(mutex);
    late = true;
    if (!recorded) return;
    lock.unlock();
    end(std::nullopt);
  }

  void end(std::optional<absl::Status> with) {
    std::unique_lock lock(mutex);
    SettingsChangeWait* waiter = std::exchange(waiting, nullptr);
    if (waiter == nullptr) return;
    result = std::move(with);
    Scheduler& home = waiter->home_;
    lock.unlock();
    home.post(*waiter);  // It may be gone the moment this is said.
  }
};

void SettingsChangeWait::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  shared_ = std::make_shared<Shared>();
  shared_->waiting = this;
  // Both may resume, and so destroy, this before the call returns: nothing of it is touched in between.
  const auto shared = shared_;
  Storage& storage = storage_;
  const SettingsChange change = change_;
  events_.after(patience_, [shared] { shared->out_of_patience(); });
  events_.after(patience_for_record_, [shared] {
    shared->end(error(Reason::kOutcomeUnknown, "the change waits, and is not on record yet: a kill would forget it"));
  });
  ChangeOptions options;
  options.on_record = [shared](const absl::Status& recorded) {
    if (recorded.ok()) shared->tell_recorded();
  };
  storage.change_settings(change, std::move(options), [shared](absl::Status done) { shared->end(std::move(done)); });
}

std::optional<absl::Status> SettingsChangeWait::await_resume() {
  std::lock_guard lock(shared_->mutex);
  return std::move(shared_->result);
}

void SettingsChangeWait::complete(bool) noexcept { waiter_.resume(); }

}  // namespace kv
