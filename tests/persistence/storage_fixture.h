// A store with its Storage over a data directory of its own, and the verbs to tell stories about restarts: put, erase,
// restart, kill, switch_to.
//
// Threads: one test thread. Everything waits for its event.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "core/absl_text.h"
#include "core/task.h"
#include "persistence/data_directory.h"
#include "persistence/manifest.h"
#include "persistence/storage.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_directory.h"
#include "tests/support/thread_scheduler.h"

namespace kv {

using Data = std::map<std::string, std::string>;

class StorageFixture {
 public:
  explicit StorageFixture(Mode mode = Mode::kHybrid) {
    give("mode", std::string(word(mode)));
    give("snapshot-interval", "365d");  // Snapshots come when the test says so.
  }
  ~StorageFixture() { kill(); }

  // A setting given at the next start.
  void give(const std::string& name, const std::string& value) { startup_[name] = {value, true}; }
  void no_longer_give(const std::string& name) { startup_.erase(name); }

  absl::Status open() {
    kill();
    store_ = std::make_unique<Store>(StoreOptions{.shard_count = 8, .requests = bounds_});
    StorageOptions options;
    options.directory = path();
    options.startup = startup_;
    options.record_bytes_max = 1 << 20;
    options.accept_data_loss = accept_;
    options.only_recover = only_recover_;
    report_.clear();
    options.on_report = [this](const std::string& text) { report_ = text; };
    options.log = [this](int severity, const std::string& text) {
      std::lock_guard lock(mutex_);
      log_.push_back(std::to_string(severity) + " " + text);
    };
    progress_ = std::make_unique<LoadProgress>();
    auto storage = Storage::open(*fs_, clock_, *store_, std::move(options), *progress_);
    if (!storage.ok()) return storage.status();
    storage_ = *std::move(storage);
    return absl::OkStatus();
  }
  void start() {
    const absl::Status opened = open();
    INFO(opened.ToString());
    REQUIRE(opened.ok());
  }
  absl::Status stop() {
    const absl::Status stopped = storage_->stop();
    storage_.reset();
    return stopped;
  }
  // Ends without a stop.
  void kill() {
    storage_.reset();
    store_.reset();
  }
  void restart() {
    const absl::Status stopped = stop();
    INFO(stopped.ToString());
    REQUIRE(stopped.ok());
    start();
  }
  void kill_and_start() {
    kill();
    start();
  }

  // On a disk that a test has in its hands. The directory is then DISK/data, and the data of `fs_` stays the caller's.
  void use(FileSystem& fs) {
    fs_ = &fs;
    root_ = "";
  }

  // Written at the present default level; the revision it got, or why it is refused or unknown.
  absl::StatusOr<Revision> try_put(const std::string& key, const std::string& value) {
    const Mutation mutation{.kind = MutationKind::kSet, .key = key, .value = value};
    return try_write(std::span(&mutation, 1), nullptr);
  }
  // One record of them all, of different keys.
  absl::StatusOr<Revision> try_record(std::span<const Mutation> mutations) { return try_write(mutations, nullptr); }
  Level last_level() const { return level_; }
  // Whether the last write was applied: false means that it is refused for good, whatever the error.
  bool last_applied() const { return applied_; }
  // Whether an explicit level would have been refused for the last write.
  absl::Status last_disk_check() const { return disk_check_; }
  // What a reader is told who would show `revision`.
  absl::Status readable(Revision revision) {
    std::promise<absl::Status> told;
    read_on(revision, told);
    return told.get_future().get();
  }
  // try_put(), and it must be OK.
  Revision put(const std::string& key, const std::string& value) {
    return write({.kind = MutationKind::kSet, .key = key, .value = value});
  }
  // The same; the level it was answered at.
  Level put_with_level(const std::string& key, const std::string& value) {
    put(key, value);
    return level_;
  }
  // A put with a request id, as the engine makes it: remembered with the change.
  Revision put_once(const RequestBlock& request, const std::string& key, const std::string& value) {
    const Mutation mutation{.kind = MutationKind::kSet, .key = key, .value = value};
    return must(try_write(std::span(&mutation, 1), &request));
  }
  // A request that changed nothing.
  Revision remember(const RequestBlock& request) { return must(try_write({}, &request)); }
  std::optional<RememberedRequest> remembered(const RequestId& id) const {
    return store_->requests().find(id, clock_.now());
  }
  Revision erase(const std::string& key) { return write({.kind = MutationKind::kDelete, .key = key, .value = {}}); }
  void put_many(const std::string& prefix, int count, std::size_t value_bytes = 10) {
    for (int i = 0; i < count; ++i) put(prefix + std::to_string(i), std::string(value_bytes, 'v'));
  }
  // When each key is due that has an expiry.
  std::map<std::string, UnixMillis> expiries() const {
    std::map<std::string, UnixMillis> due;
    for (std::size_t i = 0; i < store_->shard_count(); ++i) {
      store_->read_shard(i).for_each(clock_.now(), [&](const Entry& entry) {
        if (entry.expires()) due[std::string(entry.key())] = entry.expire_at();
      });
    }
    return due;
  }
  Data data() const {
    Data data;
    for (std::size_t i = 0; i < store_->shard_count(); ++i) {
      store_->read_shard(i).for_each(
          clock_.now(), [&](const Entry& entry) { data[std::string(entry.key())] = std::string(entry.value()); });
    }
    return data;
  }

  absl::Status change(const SettingsChange& change, const ChangeOptions& options = {}) {
    std::promise<absl::Status> done;
    storage_->change_settings(change, options, [&](absl::Status status) { done.set_value(std::move(status)); });
    std::future<absl::Status> future = done.get_future();
    while (on_refusal_ && future.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready) {
      if (!storage_->journal().accepting_writes()) on_refusal_();
    }
    return future.get();
  }
  // Called again and again while a change waits and writes are refused: for a full disk that is to heal then.
  void on_refusal(std::function<void()> heal) { on_refusal_ = std::move(heal); }
  void switch_to(Mode mode) {
    const absl::Status status = change(to(mode));
    INFO(status.ToString());
    REQUIRE(status.ok());
  }
  static SettingsChange to(Mode mode) {
    SettingsChange change;
    change.mode = mode;
    return change;
  }
  absl::Status snapshot() { return try_snapshot().status(); }
  absl::StatusOr<StoredSnapshot> try_snapshot() {
    std::promise<absl::StatusOr<StoredSnapshot>> done;
    storage_->snapshot_now([&](absl::StatusOr<StoredSnapshot> taken) { done.set_value(std::move(taken)); });
    return done.get_future().get();
  }
  absl::StatusOr<LogRewrite> rewrite() {
    std::promise<absl::StatusOr<LogRewrite>> done;
    storage_->rewrite_log([&](absl::StatusOr<LogRewrite> rewritten) { done.set_value(std::move(rewritten)); });
    return done.get_future().get();
  }

  bool is_open() const { return storage_ != nullptr; }
  Storage& storage() { return *storage_; }
  StoreTotals totals() const { return store_->totals(); }
  std::uint64_t request_ids() const { return store_->requests().figures(clock_.now()).ids; }
  // Begins with a copy of a directory that lies elsewhere.
  void adopt(const std::string& directory) {
    std::filesystem::copy(directory, path(), std::filesystem::copy_options::recursive);
  }
  std::string path(const std::string& below = "") const { return root_ + "/data" + (below.empty() ? "" : "/" + below); }
  Manifest manifest() const {
    const auto parsed = parse_manifest(*read_file(*fs_, path("MANIFEST"), kManifestBytesMax), "MANIFEST");
    REQUIRE(parsed.ok());
    return *parsed;
  }
  std::vector<std::string> files(const std::string& folder) const {
    std::vector<std::string> names;
    const auto entries = fs_->list(path(folder));
    REQUIRE(entries.ok());
    for (const DirectoryEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }
  std::string read(const std::string& file) const { return *read_file(*fs_, path(file), 1 << 30); }
  void overwrite(const std::string& file, const std::string& text) {
    fs_->remove(path(file)).IgnoreError();
    auto created = fs_->create(path(file));
    REQUIRE(created.ok());
    REQUIRE(write_all_at(**created, as_bytes(text), 0).ok());
  }
  bool logged(std::string_view text) const {
    std::lock_guard lock(mutex_);
    for (const std::string& line : log_) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }

  FileSystem* fs_ = &posix_file_system();
  ManualClock clock_;
  RequestBounds bounds_;
  StartupSettings startup_;
  std::string accept_;  // a token, for the next start
  bool only_recover_ = false;
  std::string report_;  // of the last start

 private:
  static Revision must(const absl::StatusOr<Revision>& written) {
    INFO(written.status().ToString());
    REQUIRE(written.ok());
    return *written;
  }
  Revision write(const Mutation& mutation) { return must(try_write(std::span(&mutation, 1), nullptr)); }
  absl::StatusOr<Revision> try_write(std::span<const Mutation> mutations, const RequestBlock* request) {
    std::promise<absl::StatusOr<Revision>> done;
    write_on(mutations, request, done);
    return done.get_future().get();
  }
  // Resumes on the scheduler's thread wherever it waits.
  Detached write_on(std::span<const Mutation> mutations, const RequestBlock* request,
                    std::promise<absl::StatusOr<Revision>>& done) {
    Journal& journal = storage_->journal();
    applied_ = false;
    auto ticket = co_await journal.admit(record_bytes_of(mutations, request), scheduler_);
    if (!ticket.ok()) {
      done.set_value(ticket.status());
      co_return;
    }
    const Level level = level_ = ticket->default_level();
    disk_check_ = ticket->check_level(Level::kDisk);
    const Revision revision = apply(*std::move(ticket), mutations, request);
    applied_ = true;
    const absl::Status reached = co_await journal.wait_written(revision, level, scheduler_);
    done.set_value(reached.ok() ? absl::StatusOr<Revision>(revision) : reached);
  }
  Detached read_on(Revision revision, std::promise<absl::Status>& told) {
    absl::Status status = co_await storage_->journal().wait_readable(revision, scheduler_);
    told.set_value(std::move(status));
  }
  // As the engine does it: every shard is locked, in index order, before anything is prepared.
  Revision apply(Ticket&& ticket, std::span<const Mutation> mutations, const RequestBlock* request) {
    std::vector<HashedKey> keys;
    for (const Mutation& mutation : mutations) keys.emplace_back(mutation.key);
    if (keys.empty()) keys.emplace_back("");  // A claim needs the lock of some shard.
    std::set<std::size_t> shards;
    for (const HashedKey& key : keys) shards.insert(store_->shard_of(key));
    std::map<std::size_t, WriteLock> locks;
    for (const std::size_t shard : shards) locks.emplace(shard, store_->write_shard(shard));
    std::optional<RequestClaim> claim;
    if (request != nullptr) claim.emplace(store_->requests().claim(request->id, clock_.now()));
    std::vector<std::optional<PreparedPut>> prepared(mutations.size());
    for (std::size_t i = 0; i < mutations.size(); ++i) {
      const Mutation& put = mutations[i];
      if (put.kind != MutationKind::kSet) continue;
      prepared[i] = locks.at(store_->shard_of(keys[i])).prepare_put(keys[i], put.value, put.type, put.expire_at);
    }
    const Revision revision = storage_->journal().append(std::move(ticket), mutations, request);
    if (claim) claim->remember(*request, revision);
    for (std::size_t i = 0; i < mutations.size(); ++i) {
      WriteLock& lock = locks.at(store_->shard_of(keys[i]));
      if (prepared[i]) {
        lock.publish(*std::move(prepared[i]), revision);
      } else if (const Entry* entry = lock.find_even_due(keys[i])) {
        lock.erase(*entry, revision);
      }
    }
    return revision;
  }

  TempDirectory directory_;
  std::string root_ = directory_.path();
  std::atomic<Level> level_{Level::kMemory};  // of the last write
  absl::Status disk_check_;                   // of the last write
  std::atomic<bool> applied_{false};          // the last write
  ThreadScheduler scheduler_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<LoadProgress> progress_;
  std::unique_ptr<Storage> storage_;
  mutable std::mutex mutex_;
  std::vector<std::string> log_;
  std::function<void()> on_refusal_;
};

}  // namespace kv
