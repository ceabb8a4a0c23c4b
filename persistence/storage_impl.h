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
#include <set>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "persistence/job_thread.h"
#include "persistence/mode_switch.h"
#include "persistence/shared_job.h"
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
  std::uint64_t snapshot_memory_bytes() const override { return snapshots_->copied_bytes(); }
  SettingsInForce settings_in_force() const override;
  std::string instance_id() const override;
  std::vector<StoredSnapshot> snapshots() const override;
  using Storage::change_settings;
  void change_settings(SettingsChange change, ChangeOptions options, std::function<void(absl::Status)> done) override;
  void snapshot_now(std::function<void(absl::StatusOr<StoredSnapshot>)> done) override;
  void rewrite_log(std::function<void(absl::StatusOr<LogRewrite>)> done) override;
  absl::Status stop() override;

 private:
  using Done = std::function<void(absl::Status)>;
  // Of the change that an earlier start had accepted.
  static constexpr std::uint64_t kOfEarlierStart = 1;
  struct Displaced {
    std::uint64_t id = 0;
    std::vector<Done> callers;
  };
  struct Request {
    std::uint64_t id = 0;
    SettingTexts texts;
    bool snapshot_first = false;
    std::uint64_t expected_version = 0;
    std::vector<Done> done;            // when it is in force
    std::vector<Done> when_recorded;   // when MANIFEST holds it
    std::vector<Displaced> displaced;  // on record, until this one takes their place there
    bool is_switch = false;            // of modes; known once it runs
    bool written = false;              // MANIFEST may hold it
    bool recorded = false;             // MANIFEST holds it
    bool over = false;                 // it is not written any more

    bool same_as(const Request& other) const { return texts == other.texts && snapshot_first == other.snapshot_first; }
  };

  // Opening (storage_open.cc), in this order.
  absl::StatusOr<Manifest> read_or_make_manifest(const DirectoryListing& listing);
  absl::StatusOr<ResolvedSettings> resolve(Manifest& manifest);
  static std::optional<SettingTexts> still_to_do(Manifest& manifest, const ResolvedSettings& resolved);
  absl::Status load(const DirectoryListing& listing, Manifest manifest, LoadProgress& progress);
  absl::StatusOr<Recovered> recover_state(const RecoveryContext& context, const Manifest& manifest,
                                          const DirectoryListing& listing);
  absl::StatusOr<Recovered> recover_as_accepted(const RecoveryContext& context, const Manifest& manifest,
                                                const DirectoryListing& listing, const absl::Status& damage);
  absl::Status refuse(const absl::Status& damage, const Manifest* manifest);
  absl::Status tidy();
  absl::Status report(const Manifest& manifest);
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
  void watch_disk();
  bool snapshot_owed() const;
  void watch_changes();
  bool snapshot_overdue() const;

  // Snapshots on request, on the job thread (storage_requests.cc).
  absl::Status take_snapshot();
  absl::Status explained(const absl::Status& failed) const;
  absl::StatusOr<StoredSnapshot> take_asked_snapshot();
  absl::StatusOr<LogRewrite> take_asked_rewrite();
  StoredSnapshot stored(const SnapshotRecord& record) const;

  // Requests (storage_requests.cc; what MANIFEST remembers of them: storage_records.cc).
  absl::Status enqueue(Request& request, bool queue_behind_switch);
  void displace_next(Request& by);
  void start(Request& request);
  absl::Status check_version(std::uint64_t expected) const;
  void change_in_place(const AcceptedChange& change, std::uint64_t expected_version);
  void leave_others_on_record(Manifest& manifest, std::uint64_t own) const;
  void switch_mode(const AcceptedChange& change, std::uint64_t expected_version, bool snapshot_first);
  void switch_recorded(Mode from, Mode to);
  std::vector<Done> now_recorded(Mode from, Mode to);
  static absl::Status replaced_by_later();
  std::vector<Done> told_when_recorded(Request& request);
  void tell_phase(SwitchPhase phase);
  absl::Status outcome(const absl::Status& status);
  void finish_request(const absl::Status& status);
  void answer(std::vector<Done> done, const absl::Status& status);
  void record_waiting();
  void record_next();
  void take_off_record(std::uint64_t failed);
  absl::Status in_doubt_where_on_record(const absl::Status& refused) const;
  absl::Status in_doubt(const absl::Status& refused) const;
  bool may_be_on_record(std::uint64_t change) const;
  void take_off_void_record();
  void drop_void_record(Manifest& manifest);
  void drop_void(Manifest& manifest);
  bool has_void_record() const;
  bool is_void(std::uint64_t change) const;
  std::optional<AcceptedChange> written_next();
  bool runs_something() const;
  Settings changed(const SettingTexts& texts) const;
  void add_switch(StorageStatus& status) const;
  void end_threads();
  absl::Status close_files();

  StorageCore core_;
  RecoveryReport report_;
  std::vector<SettingDecision> decisions_;
  std::vector<SetAside> to_set_aside_;      // what a start that was interrupted still had to do
  std::optional<SettingTexts> unfinished_;  // a switch to go on with after the start
  std::uint64_t first_verified_ = 0;        // the snapshot that was loaded, or the first to be written after the start

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> io_work_{io_.get_executor()};
  boost::asio::steady_timer ticker_{io_};
  bool disk_stalls_ = false;  // of the io thread: the log says so already
  std::unique_ptr<SnapshotPublisher> snapshots_;

  mutable std::mutex mutex_;  // guards what follows
  std::optional<Request> running_;
  std::optional<Request> next_;
  SwitchPhase phase_ = SwitchPhase::kNone;
  Mode switching_from_ = Mode::kHybrid;
  Mode switching_to_ = Mode::kHybrid;
  Revision switch_base_ = 0;
  std::string switch_failure_;
  std::uint64_t last_id_ = kOfEarlierStart;
  std::set<std::uint64_t> void_changes_;     // that failed, or another has taken the place of: maybe still on record
  std::optional<MonotonicTime> owed_since_;  // when snapshot_owed() was first seen, until it is not

  SharedJob<absl::StatusOr<StoredSnapshot>> asked_snapshot_;
  SharedJob<absl::StatusOr<LogRewrite>> asked_rewrite_;
  std::unique_ptr<JobThread> jobs_;
  std::thread io_thread_;
};

}  // namespace kv
