// expiry_load: many keys fall due, at one moment or over a while, beside readers, a writer and snapshots.
//
// --keys keys are given their times, all the same one, or spread over --spread-ms. Readers ask for them without a
// pause: a key that is missing before its time, or there from its time on, fails the run, and so does a removal that is
// counted before its time. Readers, expirer and times share one clock, so no tolerance is needed. A writer sets other
// keys, one a millisecond. --snapshots takes one snapshot after the other meanwhile. In the end storage is stopped and
// opened again, and none of the keys may be back.
//
// How late the removals were logged is printed, and judged only with --late-max MS: every one then, for a machine that
// does nothing else.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "persistence/storage.h"
#include "server/engine.h"
#include "server/expirer.h"
#include "server/options.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_directory.h"
#include "tests/support/thread_scheduler.h"
#include "tests/support/torture.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

struct LoadOptions : TortureOptions {
  LoadOptions() { cycles = 1; }
  std::string mode = "AOF";
  std::string fsync = "always";
  std::uint64_t keys = 100'000;
  std::uint64_t spread_ms = 0;
  std::uint64_t late_max = 0;
  std::uint64_t readers = 2;
  bool snapshots = false;
};

class PlainCaller final : public Caller {
 public:
  explicit PlainCaller(Scheduler& home) : home_(home) {}
  Scheduler& home() noexcept override { return home_; }
  absl::Status still_wanted() noexcept override { return absl::OkStatus(); }

 private:
  Scheduler& home_;
};

template <class T>
T must(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}
void must(const absl::Status& done) {
  if (!done.ok()) throw std::runtime_error(done.ToString());
}

// A server without its network, on a directory that outlives it.
class Served {
 public:
  Served(const LoadOptions& options, const std::string& directory, Clock& clock)
      : line_(must(
            read_command_line({"--mode", options.mode, "--fsync", options.fsync, "--snapshot-interval", "1h"}, {}))),
        engine(store_, clock, line_.options.limits, progress_) {
    StorageOptions storage_options;
    storage_options.directory = directory;
    storage_options.startup = line_.options.startup;
    storage_options.log = [](int, const std::string&) {};
    storage = must(Storage::open(posix_file_system(), clock, store_, std::move(storage_options), progress_));
    engine.attach(storage->journal());
    must(expirer.sweep_now());
    engine.tell_expiries_to(&expirer);
    expirer.start();
    engine.start_serving();
  }
  // Nobody asks for anything any more.
  ~Served() {
    expirer.stop();
    stopped_ = storage->stop();
    if (!stopped_.ok()) std::cerr << stopped_ << '\n';
  }
  void set(const std::string& key, UnixMillis expire_at) {
    Operation operation;
    operation.kind = OperationKind::kSet;
    operation.key = key;
    operation.value = "value";
    if (expire_at != kNoExpiry) operation.expiry = {ExpiryPolicy::Kind::kAt, expire_at};
    operation.options.level = Level::kMemory;
    must(run_task(engine.write(operation, caller_)));
  }
  bool has(const std::string& key) const {
    bool found = false;
    engine.read(HashedKey(key), [&](const Entry* entry) { found = entry != nullptr; });
    return found;
  }

 private:
  const CommandLine line_;
  Store store_{{.shard_count = 64}};
  LoadProgress progress_;
  ThreadScheduler home_;
  PlainCaller caller_{home_};
  absl::Status stopped_;

 public:
  std::unique_ptr<Storage> storage;
  Engine engine;
  Expirer expirer{engine};
};

std::string key_of(std::uint64_t key) { return fmt::format("key {:010}", key); }

class Load {
 public:
  explicit Load(const LoadOptions& options) : options_(options) {
    served_ = std::make_unique<Served>(options, directory_.path(), clock_);
  }

  void run() {
    for (std::uint64_t cycle = 0; cycle < options_.cycles; ++cycle) {
      give_times();
      std::vector<std::jthread> others;
      for (std::uint64_t reader = 0; reader < options_.readers; ++reader)
        others.emplace_back([this, seed = options_.seed * 10 + reader] { keep_reading(seed); });
      others.emplace_back([this] { keep_writing(); });
      if (options_.snapshots) take_snapshots();
      wait_until_removed();
      stopping_ = true;
      others.clear();
      if (options_.snapshots) no_snapshot_.get_future().get();
      no_snapshot_ = std::promise<void>();
      stopping_ = false;
      if (early_ + stale_ > 0)
        throw std::runtime_error(fmt::format("{} missing before their time, {} seen from it on", early_, stale_));
      ++cycles_;
    }
    count_lateness();
    if (options_.mode != "NON_PERSISTENT") start_again();
  }

  std::uint64_t cycles() const { return cycles_; }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const {
    return {{"keys", options_.keys * cycles_}, {"reads", reads_}, {"snapshots", snapshots_}, {"late", late_}};
  }
  bool report() const {
    std::cout << fmt::format("{} keys at a time, {}, {} ms apart; reads: {}, snapshots: {}\n", options_.keys,
                             options_.mode, options_.spread_ms, reads_.load(), snapshots_.load());
    for (std::size_t bucket = 0; bucket < lateness_.size(); ++bucket) {
      const std::string bound = bucket < LatenessCounts::kBounds.size()
                                    ? fmt::format("up to {} ms late", LatenessCounts::kBounds[bucket])
                                    : std::string("later");
      if (lateness_[bucket] > 0) std::cout << fmt::format("{:8} {}\n", lateness_[bucket], bound);
    }
    std::cout << fmt::format("mean {:.2f} ms\n", mean_millis_);
    return options_.late_max == 0 || late_ == 0;
  }

 private:
  // First the keys, then their times: so it is known how long that takes, and none is due before all have theirs.
  void give_times() {
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t key = 0; key < options_.keys; ++key) served_->set(key_of(key), kNoExpiry);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    const UnixMillis first = clock_.now() + 3 * took.count() + 300;
    times_.resize(options_.keys);
    for (std::uint64_t key = 0; key < options_.keys; ++key) {
      times_[key] = first + static_cast<UnixMillis>(key * options_.spread_ms / options_.keys);
      served_->set(key_of(key), times_[key]);
    }
    if (clock_.now() >= first) throw std::runtime_error("the machine is too busy: keys fell due while they were set");
  }

  void keep_reading(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!stopping_) {
      const std::uint64_t key = random() % options_.keys;
      const UnixMillis before = clock_.now();
      const bool found = served_->has(key_of(key));
      if (!found && clock_.now() < times_[key]) ++early_;
      if (found && before >= times_[key]) ++stale_;
      ++reads_;
    }
  }

  void keep_writing() {
    for (std::uint64_t number = 0; !stopping_; ++number) {
      served_->set(fmt::format("other {}", number % 1000), kNoExpiry);
      std::this_thread::sleep_for(1ms);  // the rate
    }
  }

  void take_snapshots() {
    served_->storage->snapshot_now([this](const absl::StatusOr<StoredSnapshot>& taken) {
      snapshots_ += taken.ok() ? 1 : 0;
      if (stopping_) return no_snapshot_.set_value();
      take_snapshots();
    });
  }

  void wait_until_removed() {
    const std::uint64_t all = options_.keys * (cycles_ + 1);
    const auto end = std::chrono::steady_clock::now() + 120s + std::chrono::milliseconds(options_.spread_ms);
    for (std::uint64_t removed = 0; removed < all;) {
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("keys are due and not removed");
      removed = served_->expirer.expired_total();
      // Times rise with the number of the key.
      const auto due = std::upper_bound(times_.begin(), times_.end(), clock_.now()) - times_.begin();
      if (removed > options_.keys * cycles_ + static_cast<std::uint64_t>(due))
        throw std::runtime_error("removed early");
      std::this_thread::sleep_for(1ms);  // not to take a core
    }
  }

  void count_lateness() {
    const LatenessCounts& counts = served_->expirer.lateness();
    std::uint64_t all = 0;
    for (std::size_t bucket = 0; bucket < lateness_.size(); ++bucket) {
      lateness_[bucket] = counts.in_bucket(bucket);
      all += lateness_[bucket];
      const bool late = bucket >= LatenessCounts::kBounds.size() ||
                        LatenessCounts::kBounds[bucket] > static_cast<std::int64_t>(options_.late_max);
      if (late && options_.late_max != 0) late_ += lateness_[bucket];
    }
    mean_millis_ = static_cast<double>(counts.sum_millis()) / static_cast<double>(all);
    if (all != options_.keys * cycles_) throw std::runtime_error("removals and their lateness do not add up");
  }

  void start_again() {
    served_.reset();
    Served again(options_, directory_.path(), clock_);
    for (std::uint64_t key = 0; key < options_.keys; ++key) {
      if (again.has(key_of(key))) throw std::runtime_error(key_of(key) + " is back after a start");
    }
    if (again.expirer.expired_total() != 0) throw std::runtime_error("a start had to remove again what was removed");
  }

  const LoadOptions options_;
  SystemClock clock_;
  TempDirectory directory_;
  std::unique_ptr<Served> served_;
  std::vector<UnixMillis> times_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> early_{0};  // missing before its time
  std::atomic<std::uint64_t> stale_{0};  // there from its time on
  std::atomic<std::uint64_t> reads_{0};
  std::atomic<std::uint64_t> snapshots_{0};
  std::promise<void> no_snapshot_;
  std::array<std::uint64_t, LatenessCounts::kBounds.size() + 1> lateness_{};
  std::uint64_t late_ = 0;
  double mean_millis_ = 0;
  std::uint64_t cycles_ = 0;
};

int run(const LoadOptions& options) {
  TortureResult result;
  result.suite = "expiry";
  // A run that was not judged by the bound is no run of the bounded ones.
  const std::string bound = options.late_max == 0 ? "" : fmt::format(", at most {} ms late", options.late_max);
  result.variant = fmt::format("{} {}{}", options.mode, options.spread_ms == 0 ? "at once" : "spread", bound);
  result.seed = options.seed;
  try {
    Load load(options);
    load.run();
    result.cycles = load.cycles();
    result.counts = load.counts();
    result.passed = load.report();
  } catch (const std::exception& error) {
    std::cerr << "expiry_load: " << error.what() << '\n';
  }
  print(result);
  return result.passed ? 0 : 1;
}

}  // namespace
}  // namespace kv

int main(int arguments, char** values) {
  kv::LoadOptions options;
  CLI::App app("Keys that fall due beside readers, a writer and snapshots");
  options.add_to(app, "how often the keys are given times");
  app.add_option("--mode", options.mode, "what the disk holds")->capture_default_str();
  app.add_option("--fsync", options.fsync, "when the log is forced to disk")->capture_default_str();
  app.add_option("--keys", options.keys, "keys that fall due")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--spread-ms", options.spread_ms, "from the first to the last; 0: all in one millisecond");
  app.add_option("--late-max", options.late_max, "fail when a removal is logged more than so many ms late");
  app.add_option("--readers", options.readers, "threads that read without a pause")->capture_default_str();
  app.add_flag("--snapshots", options.snapshots, "one after the other meanwhile");
  CLI11_PARSE(app, arguments, values);
  return kv::run(options);
}
