// Storage, put together: who runs on which thread.
//
//   io thread      timers, the snapshot child's end, changes of settings that are no switch
//   job thread     snapshots, compactions, switches: one at a time
//   journal's own  segments and ceilings to be named in MANIFEST (LogKeeper)
//
// Lifetime: members are destroyed from the bottom up; the destructor stops the threads first. Without stop() before it,
//           what is left on disk is what a killed process leaves.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "persistence/job_thread.h"
#include "persistence/snapshot_publisher.h"
#include "persistence/storage.h"
#include "persistence/storage_core.h"

namespace kv {

class StorageImpl final : public Storage, private LogKeeper {
 public:
  StorageImpl(FileSystem& fs, Clock& clock, Store& store, StorageOptions options)
      : core_(fs, clock, store, std::move(options)) {}
  ~StorageImpl() override;

  // Once, before anything else.
  absl::Status open(LoadProgress& progress);

  Journal& journal() noexcept override { return *core_.journal; }
  const RecoveryReport& recovery() const noexcept override { return report_; }
  const std::vector<SettingDecision>& decisions() const noexcept override { return decisions_; }
  StorageStatus status() const override;
  void change_settings(SettingsChange change, std::function<void(absl::Status)> done) override;
  void snapshot_now(std::function<void(absl::Status)> done) override;
  absl::Status stop() override;

 private:
  using Done = std::function<void(absl::Status)>;
  struct Request {
    SettingTexts texts;
    std::vector<Done> done;
  };

  // Opening (storage_open.cc), in this order.
  absl::StatusOr<Manifest> read_or_make_manifest(const DirectoryListing& listing);
  absl::StatusOr<ResolvedSettings> resolve(Manifest& manifest);
  absl::Status load(const DirectoryListing& listing, Manifest manifest, LoadProgress& progress);
  absl::Status tidy(const Recovered& recovered);
  absl::Status start_journal(const Recovered& recovered, Revision last_revision);
  void start_threads(const Recovered& recovered);
  void go_on_switching();

  // LogKeeper.
  absl::Status segments_prepared(std::uint64_t first, std::uint64_t last) override;
  absl::StatusOr<Revision> raise_ceiling(Revision needed) override;

  // Timers, on the io thread.
  void wait_for_tick();
  void tick();
  bool snapshot_due() const;

  // Requests.
  void enqueue(Request request);
  void start(const Request& request);
  void change_in_place(const SettingTexts& texts);
  void switch_mode(const SettingTexts& texts);
  void finish_request(const absl::Status& status);
  void answer(std::vector<Done> done, const absl::Status& status);
  void record_next();
  Settings changed(const SettingTexts& texts) const;
  void end_threads();
  absl::Status close_files();

  StorageCore core_;
  RecoveryReport report_;
  std::vector<SettingDecision> decisions_;
  std::optional<SettingTexts> unfinished_;  // a switch to go on with after the start

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> io_work_{io_.get_executor()};
  boost::asio::steady_timer ticker_{io_};
  std::unique_ptr<SnapshotPublisher> snapshots_;

  mutable std::mutex mutex_;  // guards what follows
  std::optional<Request> running_;
  std::optional<Request> next_;
  SwitchPhase phase_ = SwitchPhase::kNone;
  Mode switching_to_ = Mode::kHybrid;

  std::unique_ptr<JobThread> jobs_;
  std::thread io_thread_;
};

}  // namespace kv
