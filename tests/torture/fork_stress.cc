// fork_stress: snapshots by fork, one after the other, of a store that two threads write to all the time.
//
// Each snapshot's digest must be that of the log at its cut: every write is noted with its revision, and a second store
// replays the notes up to the cut. Every --load-every-th file is loaded whole as well. Every fourth child is killed at
// a random moment: then the snapshot must have failed, and nothing of it may be left. --stretch slows the child's
// writes down (a child that lives longer shares more pages with writers).
//
// It fails when no kill hit a child that lived, or when the writers stood still between two snapshots.

#include <atomic>
#include <deque>
#include <exception>
#include <future>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <signal.h>
#include <sys/wait.h>

#include "core/absl_text.h"
#include "core/clock.h"
#include "persistence/snapshot_forker.h"
#include "persistence/snapshot_loader.h"
#include "tests/support/temp_directory.h"
#include "tests/support/torture.h"

namespace kv {
namespace {

struct Options : TortureOptions {
  Options() { cycles = 20; }
  std::uint64_t keys = 20'000;
  std::uint64_t stretch_us = 0;
  std::uint64_t load_every = 10;
};

// Which key got which number, in the order of revisions.
struct Note {
  std::uint32_t key;
  std::uint32_t number;
};

void put(Store& store, const Note& note, Revision revision) {
  const std::string key = fmt::format("key {}", note.key);
  const std::string value = fmt::format("{:064}", note.number);
  const HashedKey hashed(key);
  WriteLock lock = store.write(hashed);
  PreparedPut prepared = lock.prepare_put(hashed, std::string_view(value), ValueType::kString, kNoExpiry);
  lock.publish(std::move(prepared), revision);
}

class Stress {
 public:
  explicit Stress(const Options& options) : options_(options), random_(options.seed) {
    for (std::uint32_t i = 0; i < options.keys; ++i) write({i, 0});
    SnapshotForkerOptions forker;
    forker.pause_per_write = std::chrono::microseconds(options.stretch_us);
    forker_.emplace(
        io_, posix_file_system(), clock_, store_, [this] { return last_revision_.load(); }, forker);
    for (std::uint64_t seed = 1; seed <= 2; ++seed) writers_.emplace_back([this, seed] { keep_writing(seed); });
  }
  ~Stress() {
    stop_ = true;
    for (std::thread& writer : writers_) writer.join();
    forker_.reset();
    work_.reset();
    io_thread_.join();
  }

  void run() {
    const TortureTime time(options_.seconds);
    for (std::uint64_t number = 1; number <= options_.cycles && !time.is_over(); ++number) one_fork(number);
    if (forks_ >= 20 && killed_ == 0) throw std::runtime_error("no kill hit a child that lived");
  }
  std::uint64_t forks() const { return forks_; }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const {
    return {
        {"forks", forks_}, {"killed", killed_}, {"digests_equal", equal_}, {"loaded", loaded_}, {"writes", replayed_}};
  }
  std::uint64_t longest_pause_us() const { return longest_pause_us_; }

 private:
  // The revision is assigned under the shard's lock, as the journal does.
  void write(const Note& note) {
    const std::string key = fmt::format("key {}", note.key);
    const std::string value = fmt::format("{:064}", note.number);
    const HashedKey hashed(key);
    WriteLock lock = store_.write(hashed);
    PreparedPut prepared = lock.prepare_put(hashed, std::string_view(value), ValueType::kString, kNoExpiry);
    Revision revision = 0;
    {
      std::lock_guard notes_lock(mutex_);
      notes_.push_back(note);
      revision = ++noted_;
      last_revision_ = revision;
    }
    lock.publish(std::move(prepared), revision);
  }

  void keep_writing(std::uint64_t seed) {
    std::mt19937_64 random(options_.seed * 10 + seed);
    for (std::uint32_t number = 1; !stop_; ++number) {
      write({static_cast<std::uint32_t>(random() % options_.keys), number});
      // So that the notes between two snapshots stay few on a machine that has little to do.
      if (number % 64 == 0) std::this_thread::yield();
    }
  }

  void one_fork(std::uint64_t number) {
    ++forks_;
    std::promise<SnapshotOutcome> done;
    const absl::Status begun = forker_->begin({.number = number, .store_id = {}, .directory = directory_.path()},
                                              [&](SnapshotOutcome outcome) { done.set_value(std::move(outcome)); });
    if (!begun.ok()) throw std::runtime_error(begun.ToString());
    std::future<SnapshotOutcome> future = done.get_future();
    const bool hit = number % 4 == 0 && kill_child(future);
    if (future.wait_for(std::chrono::seconds(120)) != std::future_status::ready) {
      throw std::runtime_error("a snapshot did not end within 120 s");
    }
    const SnapshotOutcome outcome = future.get();
    if (!outcome.status.ok()) {
      if (!hit) throw std::runtime_error("a snapshot failed by itself: " + outcome.status.ToString());
      ++killed_;
      if (!posix_file_system().list(directory_.path())->empty()) throw std::runtime_error("a killed child left a file");
      return;
    }
    longest_pause_us_ = std::max<std::uint64_t>(longest_pause_us_, static_cast<std::uint64_t>(outcome.pause.count()));
    compare(outcome);
    posix_file_system().remove(outcome.temporary_path).IgnoreError();
  }

  // True when there was one to kill.
  bool kill_child(std::future<SnapshotOutcome>& future) {
    std::optional<pid_t> child;
    while (!(child = forker_->child()) && future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      std::this_thread::yield();
    }
    // A moment anywhere in its life: this is no wait for anything.
    future.wait_for(std::chrono::microseconds(random_() % 20'000));
    child = forker_->child();
    return child && ::kill(*child, SIGKILL) == 0;
  }

  void compare(const SnapshotOutcome& outcome) {
    const Revision cut = outcome.info.cut();
    if (cut <= replayed_ && replayed_ > options_.keys) throw std::runtime_error("nobody wrote between two snapshots");
    std::vector<Note> more;
    {
      std::lock_guard lock(mutex_);
      more.assign(notes_.begin(), notes_.begin() + static_cast<std::ptrdiff_t>(cut - replayed_));
      notes_.erase(notes_.begin(), notes_.begin() + static_cast<std::ptrdiff_t>(cut - replayed_));
    }
    for (const Note& note : more) put(replay_, note, ++replayed_);
    if (outcome.info.footer.state_digest != replay_.totals().digest) {
      throw std::runtime_error(fmt::format("snapshot {} is not the state at its cut {}", outcome.info.number(), cut));
    }
    ++equal_;
    if (equal_ % options_.load_every == 0) load(outcome);
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
    if (!info.ok()) throw std::runtime_error(info.status().ToString());
    if (loaded.totals().digest != replay_.totals().digest) throw std::runtime_error("a loaded snapshot differs");
    ++loaded_;
  }

  const Options options_;
  std::mt19937_64 random_;
  TempDirectory directory_;
  SystemClock clock_;
  Store store_{{.shard_count = 64}};
  Store replay_{{.shard_count = 1}};
  std::atomic<Revision> last_revision_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // guards notes_ and noted_
  std::deque<Note> notes_;
  Revision noted_ = 0;
  Revision replayed_ = 0;
  std::uint64_t forks_ = 0;
  std::uint64_t killed_ = 0;
  std::uint64_t equal_ = 0;
  std::uint64_t loaded_ = 0;
  std::uint64_t longest_pause_us_ = 0;

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread io_thread_{[this] { io_.run(); }};
  std::optional<SnapshotForker> forker_;
  std::vector<std::thread> writers_;
};

int run(const Options& options) {
  std::cout << fmt::format("fork_stress: {} keys, {} forks, stretched by {} us a write, seed {}\n", options.keys,
                           options.cycles, options.stretch_us, options.seed);
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
         .variant = fmt::format("{} keys{}", options.keys, options.stretch_us > 0 ? ", stretched" : ""),
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
  app.add_option("--stretch", options.stretch_us, "microseconds that the child waits before each write")->take_last();
  app.add_option("--load-every", options.load_every, "how often a file is loaded whole")->check(CLI::Range(1, 1000000));
  options.add_to(app, "how many forks");
  CLI11_PARSE(app, argc, argv);
  return kv::run(options);
}
