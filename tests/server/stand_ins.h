// What stands in for storage beside a real engine and journal: it agrees to everything, and a change of settings goes
// as whoever made it says.
//
// Threads:  as of what they stand in for; on_change is set before there are calls.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "persistence/journal.h"
#include "persistence/storage.h"

namespace kv {

// Agrees to everything.
class EasyKeeper final : public LogKeeper {
 public:
  absl::Status segments_prepared(std::uint64_t, std::uint64_t) override { return absl::OkStatus(); }
  absl::StatusOr<Revision> raise_ceiling(Revision needed) override { return needed + 1'000'000; }
};

class ObedientStorage final : public Storage {
 public:
  explicit ObedientStorage(Journal& journal) : journal_(journal) {}

  Journal& journal() noexcept override { return journal_; }
  const RecoveryReport& recovery() const noexcept override { return report_; }
  const std::vector<SettingDecision>& decisions() const noexcept override { return decisions_; }
  StorageStatus status() const override { return {}; }
  std::uint64_t snapshot_memory_bytes() const override { return 0; }
  SettingsInForce settings_in_force() const override { return {}; }
  std::string instance_id() const override { return ""; }
  std::vector<StoredSnapshot> snapshots() const override { return {}; }
  void change_settings(SettingsChange change, ChangeOptions options, std::function<void(absl::Status)> done) override {
    {
      const std::lock_guard lock(mutex_);
      changes_.push_back(change);
    }
    if (options.on_record) on_record(std::move(options.on_record));
    on_change(std::move(done));
  }
  void snapshot_now(std::function<void(absl::StatusOr<StoredSnapshot>)> done) override { done(StoredSnapshot()); }
  void rewrite_log(std::function<void(absl::StatusOr<LogRewrite>)> done) override { done(LogRewrite()); }
  absl::Status stop() override { return absl::OkStatus(); }

  std::vector<SettingsChange> changes() const {
    const std::lock_guard lock(mutex_);
    return changes_;
  }

  std::function<void(std::function<void(absl::Status)>)> on_change = [](auto done) { done(absl::OkStatus()); };
  std::function<void(std::function<void(absl::Status)>)> on_record = [](auto told) { told(absl::OkStatus()); };

 private:
  mutable std::mutex mutex_;  // the reactor that runs a Config call adds, the test reads
  std::vector<SettingsChange> changes_;
  Journal& journal_;
  RecoveryReport report_;
  std::vector<SettingDecision> decisions_;
};

}  // namespace kv
