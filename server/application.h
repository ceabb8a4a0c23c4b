// The server as a whole: starts everything in the order that keeps promises, waits for a signal, stops everything in
// the order that keeps them.
//
// Start: bind first, every data call answering LOADING; load, fail closed; log what fell due; serve.
// Stop:  by a signal, or by a failed disk when --on-disk-failure is exit. Health NOT_SERVING and no new calls; drain,
//        with a bound; expirer; storage (sync, seal, final snapshot, clean mark); queues. A watchdog ends the process
//        when the rest hangs once the data is safe, or once the disk is gone.
//
// Threads:  run() on the main thread. Lifetime: one run() per object.
// Errors:   run() gives the exit code of docs/operations.md; the log says why.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/clock.h"
#include "persistence/storage.h"
#include "rpc/server.h"
#include "server/admin_service.h"
#include "server/connection_log.h"
#include "server/engine.h"
#include "server/event_thread.h"
#include "server/expirer.h"
#include "server/http_listener.h"
#include "server/key_value_service.h"
#include "server/legacy_service.h"
#include "server/log_meter.h"
#include "server/memory_watch.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/rpc_metrics.h"
#include "server/slow_log.h"

namespace kv {

enum ExitCode : int {
  kExitClean = 0,
  kExitUnexpected = 1,
  kExitBadSettings = 2,
  kExitDamaged = 3,
  kExitInUse = 4,
  kExitCannotBind = 5,
  kExitNotSaved = 6,
};

class Application {
 public:
  explicit Application(CommandLine line);
  ~Application();

  int run();
  // Loads and stops again, without listening; the recovery report goes to standard output.
  int recover_only();

 private:
  void on_signal(int number);
  void on_disk_failure();
  // Whether anybody but this machine can connect.
  void warn_if_exposed() const;
  // With the exit code as storage has it.
  absl::Status listen();
  absl::Status bind();
  absl::Status load(std::function<absl::Status()> when_locked);
  void tell_of_change(const Settings& settings);
  void begin_serving();
  void set_all_unhealthy();
  void watch_health();
  // What is held beside the data and counts against the limit of memory.
  std::uint64_t bytes_beside_data() const;
  void wait_for_stop();
  int stop();
  // Nobody waits any longer for what storage does.
  void abandon_waiters();
  // Ends the process when the rest of a stop takes longer than `patience`, and says why unless that is null.
  static void guard_the_end(int code, std::chrono::milliseconds patience, const char* why);

  const CommandLine line_;
  const Options& options_;
  SystemClock clock_;
  Store store_;
  LoadProgress progress_;
  SlowLog slow_log_{clock_};
  LogMeter log_meter_;
  Engine engine_;
  MemoryWatch memory_watch_;
  std::unique_ptr<EventThread> events_;
  LegacyService legacy_;
  KeyValueService key_values_;
  AdminService admin_;
  const std::size_t connections_max_;
  ConnectionLog connection_log_;
  RpcServer rpc_;
  std::unique_ptr<Storage> storage_;
  Expirer expirer_;
  RpcMetrics rpc_metrics_;
  Metrics metrics_;
  std::unique_ptr<HttpListener> http_;

  std::function<void(const std::string&)> on_report_;  // constant once load() begins; empty: nobody wants it
  bool only_recovers_ = false;                         // constant like on_report_

  std::mutex mutex_;
  std::condition_variable stop_asked_;
  int stop_signals_ = 0;                    // guarded by mutex_
  bool disk_gone_ = false;                  // guarded by mutex_; the disk failed, and that is to end the process
  std::optional<Settings> known_settings_;  // guarded by mutex_; those that were in force last
  bool draining_ = false;                   // guarded by mutex_; calls can still be abandoned
  enum class Phase { kLoading, kServing, kStopping };
  std::atomic<Phase> phase_{Phase::kLoading};
  std::atomic<int> code_if_ended_now_{kExitNotSaved};
  std::mutex health_mutex_;
  bool watching_health_ = false;  // guarded by health_mutex_
};

}  // namespace kv
