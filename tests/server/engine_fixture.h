// An engine over a real store and a real journal, with or without a log, and a clock that the test moves, or the
// machine's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "persistence/journal.h"
#include "server/engine.h"
#include "tests/server/stand_ins.h"
#include "tests/support/manual_clock.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_directory.h"
#include "tests/support/thread_scheduler.h"

namespace kv {

class TestCaller final : public Caller {
 public:
  explicit TestCaller(Scheduler& home) : home_(home) {}
  Scheduler& home() noexcept override { return home_; }
  absl::Status still_wanted() noexcept override { return wanted; }
  absl::Status wanted;

 private:
  Scheduler& home_;
};

inline Operation set_operation(std::string_view key, std::string_view value, UnixMillis expire_at = kNoExpiry,
                               std::optional<Level> level = {}) {
  Operation operation;
  operation.kind = OperationKind::kSet;
  operation.key = key;
  operation.value = value;
  if (expire_at != kNoExpiry) operation.expiry = {ExpiryPolicy::Kind::kAt, expire_at};
  operation.options.level = level;
  return operation;
}

template <class ItsClock>
struct EngineWithClock {
  explicit EngineWithClock(std::optional<FsyncPolicy> log = {}, FileSystem& fs = posix_file_system(),
                           Limits limits = {}, std::string log_directory = {})
      : journal(fs, clock, keeper, options(log, std::move(log_directory))), engine(store, clock, limits, progress) {
    journal.start(0, 1'000'000);
    if (log) REQUIRE(journal.open_log({}).ok());
    journal.resume();
    engine.attach(journal);
    engine.start_serving();
  }
  ~EngineWithClock() {
    journal.abandon_waiters();
    (void)journal.stop();  // A test that broke the log on purpose gets its error here again.
  }

  JournalOptions options(std::optional<FsyncPolicy> log, std::string log_directory) {
    JournalOptions result;
    result.directory = log_directory.empty() ? directory.path() : std::move(log_directory);
    result.queue_bytes = 16 << 20;
    result.settings.segment_bytes = 1 << 20;
    if (log) result.settings.fsync = *log;
    return result;
  }

  absl::StatusOr<Written> write(const Operation& operation, OutcomeSink* sink = nullptr) {
    return run_task(engine.write(operation, caller, sink));
  }
  absl::StatusOr<Written> set(std::string_view key, std::string_view value, UnixMillis expire_at = kNoExpiry,
                              std::optional<Level> level = {}) {
    return write(set_operation(key, value, expire_at, level));
  }
  absl::StatusOr<Written> remove(std::string_view key, std::optional<Level> level = {}) {
    Operation operation;
    operation.kind = OperationKind::kDelete;
    operation.key = key;
    operation.options.level = level;
    return write(operation);
  }
  // The value, or nothing for a miss.
  std::optional<std::string> get(std::string_view key) {
    std::optional<std::string> value;
    shown = engine.read(HashedKey(key), [&](const Entry* entry) {
      if (entry != nullptr) value = std::string(entry->value());
    });
    return value;
  }

  TempDirectory directory;
  ItsClock clock;
  EasyKeeper keeper;
  ThreadScheduler scheduler;
  Store store{{.shard_count = 8}};
  LoadProgress progress;
  Journal journal;
  Engine engine;
  TestCaller caller{scheduler};
  Revision shown = 0;
};

using EngineFixture = EngineWithClock<ManualClock>;

}  // namespace kv
