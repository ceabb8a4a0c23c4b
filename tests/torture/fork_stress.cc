// fork_stress: snapshots by fork, one after the other, of a store that two threads write to through a real log.
//
// Each snapshot must have the digest of the log at its cut: when all forks are done the log is sealed and replayed from
// disk, and at each cut the digest of what was replayed is compared. Every --load-every-th file is loaded whole as
// well. Every fourth child is killed after a random share of the time that the one before took: then the snapshot must
// have failed, and nothing of it may be left.
//
// Faults of a fork hide in short moments, so these can be made long:
//   --stretch US       the time between a write's revision and its publication, and between the cut and the fork
//   --strand-delay US  every write and sync of the log
//   --slow-child US    every write of the child
//
// It fails, too, when no kill hit a child that lived, when many did and none of them in the first, the second or the
// last third of its life, when the writers stood still between two snapshots, and with
// --strand-delay when the log was never behind the cut.

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <future>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <signal.h>

#include "core/absl_text.h"
#include "persistence/snapshot_forker.h"
#include "persistence/snapshot_loader.h"
#include "tests/persistence/journal_fixture.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_directory.h"
#include "tests/support/torture.h"
#include "tests/torture/slow_log.h"

namespace kv {
namespace {

using std::chrono::microseconds;
using Steady = std::chrono::steady_clock;

// So many kills that none in one third of a life is no accident any more.
constexpr std::uint64_t kManyKills = 80;

struct Options : TortureOptions {
  Options() { cycles = 20; }
  std::uint64_t keys = 20'000;
  std::uint64_t writes = 20'000;  // between two forks
  std::uint64_t stretch_us = 0;
  std::uint64_t strand_delay_us = 0;
  std::uint64_t slow_child_us = 0;
  std::uint64_t load_every = 10;
};

void require(const absl::Status& status, const std::string& what) {
  if (!status.ok()) throw std::runtime_error(what + ": " + status.ToString());
}

Task<absl::StatusOr<Ticket>> admitted(Journal& journal, std::size_t bytes, Scheduler& home) {
  absl::StatusOr<Ticket> ticket = co_await journal.admit(bytes, home);
  co_return ticket;
}

// How many writes are still to be made; writers wait when there are none.
class Budget {
 public:
  void add(std::uint64_t writes) {
    std::lock_guard lock(mutex_);
    left_ += writes;
    changed_.notify_all();
  }
  void end() {
    std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  // False: no more.
  bool take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return left_ > 0 || over_; });
    if (over_) return false;
    --left_;
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t left_ = 0;
  bool over_ = false;
};

class Stress {
 public:
  explicit Stress(const Options& options)
      : options_(options),
        random_(options.seed),
        fs_(".aof", microseconds(options.strand_delay_us)),
        log_(fs_),
        journal_(start_log()) {
    require(log_.opened_, "open the log");
    for (std::uint32_t i = 0; i < options.keys; ++i) write(i, 0, false);
    SnapshotForkerOptions forker;
    forker.pause_per_write = microseconds(options.slow_child_us);
    forker.warn = [](const std::string& text) { std::cout << text << std::endl; };
    forker_.emplace(
        io_, fs_, log_.system_clock_, store_, [this] { return cut(); }, forker);
    for (std::uint64_t seed = 1; seed <= 2; ++seed) writers_.emplace_back([this, seed] { keep_writing(seed); });
  }
  ~Stress() {
    stop_writers();
    forker_.reset();
    work_.reset();
    io_thread_.join();
  }

  void run() {
    const TortureTime time(options_.seconds);
    for (std::uint64_t number = 1; number <= options_.cycles && !time.is_over(); ++number) one_fork(number);
    judge_kills();
    if (options_.strand_delay_us > 0 && forks_ >= 20 && log_behind_ == 0) {
      throw std::runtime_error("the log was never behind a cut");
    }
    stop_writers();
    forker_.reset();
    throw_if_a_writer_failed();
    compare_with_log();
  }
  std::uint64_t forks() const { return forks_; }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const {
    return {{"forks", forks_},
            {"killed", killed_},
            {"killed_in_first_third", killed_in_third_[0]},
            {"killed_in_second_third", killed_in_third_[1]},
            {"killed_in_last_third", killed_in_third_[2]},
            {"digests_equal", equal_},
            {"loaded", loaded_},
            {"log_behind_the_cut", log_behind_},
            {"writes", replayed_}};
  }
  std::uint64_t longest_pause_us() const { return longest_pause_us_; }

 private:
  struct Taken {
    std::uint64_t number;
    Revision cut;
    std::uint64_t digest;
  };

  Journal& start_log() {
    log_.keeper_.ceiling_step = 1 << 20;  // Raising it is not what this is about.
    return log_.start_logging();
  }
  void stretch() const {
    if (options_.stretch_us > 0) std::this_thread::sleep_for(microseconds(options_.stretch_us));
  }
  // With every shard locked, just before the fork.
  Revision cut() {
    const Revision revision = journal_.applied();
    if (journal_.durable() < revision) ++log_behind_;
    stretch();
    return revision;
  }

  // As the engine does it: the revision is assigned under the shard's lock, and published under the same.
  void write(std::uint32_t key_number, std::uint64_t number, bool stretched) {
    const std::string key = fmt::format("key {}", key_number);
    const std::string value = fmt::format("{:064}", number);
    const Mutation mutation{.key = key, .value = value};
    absl::StatusOr<Ticket> ticket = run_task(admitted(journal_, record_bytes_of({&mutation, 1}, nullptr), log_.home_));
    require(ticket.status(), "admission");
    const HashedKey hashed(key);
    WriteLock lock = store_.write(hashed);
    PreparedPut prepared = lock.prepare_put(hashed, std::string_view(value), ValueType::kString, kNoExpiry);
    const Revision revision = journal_.append(std::move(*ticket), {&mutation, 1});
    if (stretched) stretch();
    lock.publish(std::move(prepared), revision);
  }

  void keep_writing(std::uint64_t seed) {
    std::mt19937_64 random(options_.seed * 10 + seed);
    try {
      for (std::uint64_t number = 1; budget_.take(); ++number) {
        write(static_cast<std::uint32_t>(random() % options_.keys), number, true);
      }
    } catch (...) {
      std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
    }
  }
  void throw_if_a_writer_failed() {
    std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
  }
  void stop_writers() {
    budget_.end();
    for (std::thread& writer : writers_) writer.join();
    writers_.clear();
  }

  void one_fork(std::uint64_t number) {
    ++forks_;
    budget_.add(options_.writes);
    wait_for_a_write();
    std::promise<SnapshotOutcome> done;
    require(forker_->begin({.number = number, .store_id = {}, .directory = directory_.path()},
                           [&](SnapshotOutcome outcome) { done.set_value(std::move(outcome)); }),
            "begin a snapshot");
    std::future<SnapshotOutcome> future = done.get_future();
    const Steady::time_point born = wait_for_child(future);
    std::optional<std::size_t> third;  // of its life, when it was killed
    if (number % 4 == 0) third = kill_child(future, born);
    if (future.wait_for(std::chrono::seconds(600)) != std::future_status::ready) {
      throw std::runtime_error("a snapshot did not end within 600 s");
    }
    const SnapshotOutcome outcome = future.get();
    if (!outcome.status.ok()) {
      if (!third) throw std::runtime_error("a snapshot failed by itself: " + outcome.status.ToString());
      ++killed_;
      ++killed_in_third_[*third];
      if (!posix_file_system().list(directory_.path())->empty()) throw std::runtime_error("a killed child left a file");
      return;
    }
    if (!third) last_life_ = Steady::now() - born;
    longest_pause_us_ = std::max<std::uint64_t>(longest_pause_us_, static_cast<std::uint64_t>(outcome.pause.count()));
    take_note(outcome);
    posix_file_system().remove(outcome.temporary_path).IgnoreError();
  }

  // On a busy machine sleeping writers take longer to wake up than a fork takes. take_note() fails when none does.
  void wait_for_a_write() const {
    const Steady::time_point bound = Steady::now() + std::chrono::seconds(60);
    while (!taken_.empty() && journal_.applied() <= taken_.back().cut && Steady::now() < bound) {
      std::this_thread::yield();
    }
  }

  // When it was there first, or its snapshot over.
  Steady::time_point wait_for_child(std::future<SnapshotOutcome>& future) {
    while (!forker_->child() && future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      std::this_thread::yield();
    }
    return Steady::now();
  }

  // In which third of a life as long as that of the last child; nothing when there was none to kill any more.
  std::optional<std::size_t> kill_child(std::future<SnapshotOutcome>& future, Steady::time_point born) {
    const double share = std::uniform_real_distribution<double>(0, 1)(random_);
    // A moment anywhere in its life: this is no wait for anything.
    future.wait_until(born + std::chrono::duration_cast<Steady::duration>(share * last_life_));
    const std::optional<pid_t> child = forker_->child();
    const auto lived = Steady::now() - born;
    if (!child || ::kill(*child, SIGKILL) != 0) return std::nullopt;
    return std::min<std::size_t>(2, static_cast<std::size_t>(3 * lived / last_life_));
  }

  void judge_kills() const {
    if (forks_ >= 20 && killed_ == 0) throw std::runtime_error("no kill hit a child that lived");
    const char* const names[] = {"first", "second", "last"};
    for (std::size_t third = 0; third < killed_in_third_.size(); ++third) {
      if (killed_ < kManyKills || killed_in_third_[third] > 0) continue;
      throw std::runtime_error(
          fmt::format("none of {} kills hit a child in the {} third of its life", killed_, names[third]));
    }
  }

  void take_note(const SnapshotOutcome& outcome) {
    throw_if_a_writer_failed();
    const Revision cut = outcome.info.cut();
    if (!taken_.empty() && cut <= taken_.back().cut) throw std::runtime_error("nobody wrote between two snapshots");
    require(journal_.sync_through(cut), "sync the log through the cut");
    taken_.push_back({outcome.info.number(), cut, outcome.info.footer.state_digest});
    if (taken_.size() % options_.load_every == 0) load(outcome);
  }

  void load(const SnapshotOutcome& outcome) {
    Store loaded({.shard_count = 4});
    const auto info = load_snapshot(posix_file_system(), outcome.temporary_path,
                                    {.store_id = {},
                                     .number = outcome.info.number(),
                                     .cut = outcome.info.cut(),
                                     .file_bytes = outcome.info.footer.file_bytes,
                                     .digest = outcome.info.footer.digest},
                                    loaded, {.threads = 2, .progress = {}});
    require(info.status(), "load a snapshot");
    if (loaded.totals().digest != outcome.info.footer.state_digest) {
      throw std::runtime_error(fmt::format("snapshot {} loads as something else", outcome.info.number()));
    }
    ++loaded_;
  }

  void compare_with_log() {
    require(journal_.stop().status(), "seal the log");
    Store replayed({.shard_count = 1});
    std::size_t next = 0;
    const auto compare = [&] {
      for (; next < taken_.size() && taken_[next].cut == replayed_; ++next) {
        if (replayed.totals().digest != taken_[next].digest) {
          throw std::runtime_error(
              fmt::format("snapshot {} is not the state at its cut {}", taken_[next].number, taken_[next].cut));
        }
        ++equal_;
      }
    };
    const auto log = replay_log(posix_file_system(), log_.directory_, log_.options_.store_id, log_.keeper_.named(),
                                [&](const LogRecord& record) {
                                  for (const Mutation& mutation : record.mutations)
                                    replayed.apply(mutation, record.revision);
                                  replayed_ = record.revision;
                                  compare();
                                });
    require(log.status(), "replay the log");
    if (next != taken_.size()) throw std::runtime_error("the log ends before the last cut");
    if (replayed.totals().digest != store_.totals().digest)
      throw std::runtime_error("the log is not what is in memory");
  }

  const Options options_;
  std::mt19937_64 random_;
  TempDirectory directory_;
  SlowLog fs_;
  JournalFixture log_;
  Journal& journal_;
  Store store_{{.shard_count = 64}};
  Budget budget_;
  std::mutex mutex_;            // guards failure_
  std::exception_ptr failure_;  // of a writer
  std::vector<Taken> taken_;
  Revision replayed_ = 0;
  std::uint64_t forks_ = 0;
  std::uint64_t killed_ = 0;
  std::array<std::uint64_t, 3> killed_in_third_{};
  Steady::duration last_life_{1};  // of a child that was not killed
  std::uint64_t equal_ = 0;
  std::uint64_t loaded_ = 0;
  std::uint64_t log_behind_ = 0;
  std::uint64_t longest_pause_us_ = 0;

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread io_thread_{[this] { io_.run(); }};
  std::optional<SnapshotForker> forker_;
  std::vector<std::thread> writers_;
};

std::string variant_of(const Options& options) {
  std::string variant = fmt::format("{} keys", options.keys);
  if (options.stretch_us > 0) variant += fmt::format(", sections {} us", options.stretch_us);
  if (options.strand_delay_us > 0) variant += fmt::format(", strand {} us", options.strand_delay_us);
  if (options.slow_child_us > 0) variant += fmt::format(", child {} us", options.slow_child_us);
  return variant;
}

int run(const Options& options) {
  std::cout << fmt::format("fork_stress: {}, {} forks, seed {}\n", variant_of(options), options.cycles, options.seed);
  Stress stress(options);
  bool passed = false;
  try {
    stress.run();
    passed = true;
  } catch (const std::exception& failure) {
    std::cout << fmt::format("FAILED (seed {}): {}\n", options.seed, failure.what());
  }
  std::cout << fmt::format("longest pause {} us\n", stress.longest_pause_us());
  print({.suite = "fork",
         .variant = variant_of(options),
         .cycles = stress.forks(),
         .seed = options.seed,
         .counts = stress.counts(),
         .passed = passed});
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  kv::Options options;
  CLI::App app("Takes snapshots by fork under load and compares each with the log at its cut.");
  app.add_option("--keys", options.keys, "in the store")->check(CLI::Range(100, 50'000'000))->take_last();
  app.add_option("--writes", options.writes, "between two forks")->check(CLI::Range(1, 100'000'000))->take_last();
  app.add_option("--stretch", options.stretch_us, "microseconds from a revision to its publication, from cut to fork")
      ->take_last();
  app.add_option("--strand-delay", options.strand_delay_us, "microseconds that a write or sync of the log takes longer")
      ->take_last();
  app.add_option("--slow-child", options.slow_child_us, "microseconds that the child waits before each write")
      ->take_last();
  app.add_option("--load-every", options.load_every, "how often a file is loaded whole")->check(CLI::Range(1, 1000000));
  options.add_to(app, "how many forks");
  CLI11_PARSE(app, argc, argv);
  return kv::run(options);
}
