// One thread of the load: it sends at the intended times, or keeps so many shots under way, and keeps the record of
// what comes back.
//
// Hard part: coordinated omission. In an open loop an operation has an intended time that the server cannot move, and
// its latency counts from there: when the server stalls, or the bound of what may be in flight is reached, the schedule
// goes on and what is sent late is late. Only what was never sent by the end has no latency; it is counted, and makes
// the run a saturated one.
//
// Threads:  a thread of its own sends; answers come on the caller's thread, which alone writes the record, and from
//           which a closed loop sends too. answered_so_far() from any.
// Lifetime: plan, keys, ledger and filler outlive it. join() before the record is read.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "bench/arrivals.h"
#include "bench/caller.h"
#include "bench/ledger.h"
#include "bench/record.h"

namespace kv {

struct LoadPlan {
  CallerOptions caller;
  Workload workload;
  std::optional<double> rate;  // operations a second, of all threads together; none: a closed loop
  Arrivals arrivals = Arrivals::kPoisson;
  int closed = 64;            // shots under way, of all threads together
  int in_flight_max = 10000;  // of an open loop: shots, of all threads together
  int threads = 1;
  int depth = 1;  // operations in a shot
  std::uint64_t seed = 1;
  std::uint64_t first_sequence = 0;  // of verified values: no two runs may write the same
  std::chrono::milliseconds warm_up{5000};
  std::chrono::milliseconds duration{30000};
  std::chrono::milliseconds series{1000};  // between two points of the course
};

// How many points the course of a run has; each thread keeps a histogram for each.
inline constexpr std::int64_t kSeriesMax = 10'000;
constexpr std::int64_t series_points(const LoadPlan& plan) {
  return (plan.duration + plan.series - std::chrono::milliseconds(1)) / plan.series;
}

// How long after its end the measured time's answers still count as in time: they may have been intended a moment
// before.
std::chrono::nanoseconds grace(const LoadPlan& plan);

// Places for what may be under way at once.
class Room {
 public:
  explicit Room(int places) : free_(places) {}
  bool take_within(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, time, [this] { return free_ > 0; })) return false;
    --free_;
    return true;
  }
  void give() {
    const std::scoped_lock lock(mutex_);
    ++free_;
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int free_;  // guarded by mutex_
};

class LoadWorker final : public ShotSink {
 public:
  LoadWorker(const LoadPlan& plan, KeySpace& keys, Ledger* ledger, const Filler& filler, int index);
  ~LoadWorker();

  // The warm-up begins at `begin`; the measured time after it.
  void start(LoadClock::time_point begin);
  // Waits for the end, and for what is still under way; after the deadline that is given up.
  void join();

  std::uint64_t answered_so_far() const noexcept { return answered_.load(std::memory_order_relaxed); }
  const Record& record() const noexcept { return *record_; }

  void answered(std::unique_ptr<Shot> shot) override;

 private:
  void run();
  void run_open();
  void run_closed();
  void drain();
  void fire(LoadClock::time_point intended);
  void keep(const Shot& shot, LoadClock::time_point now);
  bool keep_answer(LoadKind kind, const LoadAnswer& answer);
  void keep_times(const std::array<std::uint64_t, kLoadKinds>& timed, const Shot& shot, LoadClock::time_point now);
  bool measured(LoadClock::time_point time) const { return time >= window_ && time < end_; }
  std::size_t moment_of(LoadClock::time_point time) const;

  const LoadPlan& plan_;
  KeySpace& keys_;
  Ledger* const ledger_;
  const int index_;
  const int slots_;
  LoadClock::time_point begin_, window_, end_;

  std::mutex mutex_;
  Planner planner_;  // guarded by mutex_
  Room room_;
  std::atomic<std::uint64_t> answered_{0};
  std::unique_ptr<Record> record_;
  std::unique_ptr<Caller> caller_;
  std::thread thread_;
};

}  // namespace kv
