#include "bench/sweep.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

#include "bench/judge.h"
#include "core/absl_text.h"

namespace kv {
namespace {

constexpr std::size_t kInFlight = 16;
constexpr std::uint64_t kOperationsMax = 128;
constexpr std::uint64_t kMessageBytes = 256u << 10;
constexpr std::uint64_t kSequence = std::uint64_t{1} << 62;  // no run counts so far

class Sweep final : public ShotSink {
 public:
  Sweep(const SweepPlan& plan, Ledger* ledger, VerifyRecord& found, Progress& progress)
      : plan_(plan),
        ledger_(ledger),
        found_(found),
        progress_(progress),
        random_(plan.seed),
        filler_(plan.value_bytes.most),
        caller_(make_caller(caller_of(plan), filler_)) {
    const std::uint64_t fit = kMessageBytes / (plan.value_bytes.most + plan.caller.key_bytes + 1);
    each_ = takes_many(caller_of(plan).api) ? std::clamp<std::uint64_t>(fit, 1, kOperationsMax) : 1;
  }

  absl::Status run() {
    progress_.begin(plan_.kind == LoadKind::kRead ? "checking" : "loading", plan_.keys, 0, "keys");
    std::uint64_t next = 0;
    std::unique_lock lock(mutex_);
    while (next < plan_.keys && failure_.ok()) {
      auto shot = std::make_unique<Shot>();
      for (std::uint64_t i = 0; i < each_ && next < plan_.keys; ++i) shot->operations.push_back(operation(next++));
      if (ledger_ != nullptr) note_floors(*ledger_, *shot);
      ++in_flight_;
      lock.unlock();
      caller_->begin(std::move(shot), *this);
      lock.lock();
      while (in_flight_ >= kInFlight) tend(lock);
    }
    while (in_flight_ > 0) tend(lock);
    progress_.clear();
    return failure_;
  }

  void answered(std::unique_ptr<Shot> shot) override {
    const std::scoped_lock lock(mutex_);
    if (ledger_ != nullptr) judge(*shot, *ledger_, found_);
    for (const LoadAnswer& answer : shot->answers) {
      if (!answer.status.ok() && failure_.ok()) failure_ = answer.status;
    }
    done_ += shot->operations.size();
    --in_flight_;
    changed_.notify_one();
  }

 private:
  static CallerOptions caller_of(const SweepPlan& plan) {
    CallerOptions options = plan.caller;
    if (options.api == Api::kUnary || options.api == Api::kBatch) options.api = Api::kPipeline;
    return options;
  }

  void tend(std::unique_lock<std::mutex>& lock) {
    changed_.wait_for(lock, std::chrono::milliseconds(50));
    progress_.reach(done_, done_);
    lock.unlock();
    caller_->tend();
    lock.lock();
  }

  LoadOperation operation(std::uint64_t key) {
    LoadOperation made{plan_.kind, key, 0, kSequence + key};
    if (plan_.kind != LoadKind::kRead) made.size = plan_.value_bytes.draw(random_);
    return made;
  }

  const SweepPlan& plan_;
  Ledger* const ledger_;
  VerifyRecord& found_;
  Progress& progress_;
  Random random_;
  const Filler filler_;
  std::uint64_t each_ = 1;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t in_flight_ = 0;  // guarded by mutex_, like what follows
  std::uint64_t done_ = 0;
  absl::Status failure_;

  std::unique_ptr<Caller> caller_;  // the first to go: it ends what is under way
};

}  // namespace

absl::Status run_sweep(const SweepPlan& plan, Ledger* ledger, VerifyRecord& found, Progress& progress) {
  return Sweep(plan, ledger, found, progress).run();
}

}  // namespace kv
