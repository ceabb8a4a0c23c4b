// The journal alone: records of a key of 16 and a value of 64 bytes, so many writers at once, until each has its level.
// Writes go to a data directory below TMPDIR: put that on the disk in question.
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/components/temporary_folder.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "core/task.h"
#include "persistence/storage.h"
#include "store/store.h"

namespace kv {
namespace {

// Runs what is posted on the thread that waits.
class LoopScheduler final : public Scheduler {
 public:
  using Scheduler::post;
  void post(CompletionList list) noexcept override {
    const std::scoped_lock lock(mutex_);
    posted_.append(std::move(list));
    changed_.notify_one();
  }
  // Until `left` is zero.
  void run(const int& left) {
    while (left > 0) {
      CompletionList batch;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !posted_.empty(); });
        batch = std::move(posted_);
      }
      while (Completion* next = batch.pop()) next->complete(true);
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  CompletionList posted_;  // guarded by mutex_
};

Detached write_one(Journal& journal, LoopScheduler& home, std::span<const Mutation> mutations, int& left, int& failed) {
  auto ticket = co_await journal.admit(record_bytes_of(mutations, nullptr), home);
  absl::Status status = ticket.status();
  if (ticket.ok()) {
    const Level level = ticket->default_level();
    const Revision revision = journal.append(*std::move(ticket), mutations);
    status = co_await journal.wait_written(revision, level, home);
  }
  failed += status.ok() ? 0 : 1;
  --left;
}

void append_and_wait(benchmark::State& state, const std::string& policy) {
  const TemporaryFolder folder;
  SystemClock clock;
  Store store(StoreOptions{});
  StorageOptions options;
  options.directory = folder.path() + "/data";
  options.startup["mode"] = {"AOF", true};
  options.startup["fsync"] = {policy, true};
  options.log = [](int, const std::string&) {};
  LoadProgress progress;
  auto storage = Storage::open(posix_file_system(), clock, store, std::move(options), progress);
  if (!storage.ok()) return state.SkipWithError("cannot open the storage");

  const std::string value(64, 'v');
  const Mutation mutation{.kind = MutationKind::kSet, .key = "k000000000000042", .value = value};
  const auto writers = static_cast<int>(state.range(0));
  LoopScheduler home;
  int failed = 0;
  for (auto _ : state) {
    int left = writers;
    for (int i = 0; i < writers; ++i) write_one((*storage)->journal(), home, std::span(&mutation, 1), left, failed);
    home.run(left);
  }
  if (failed > 0) state.SkipWithError("a write failed");
  state.SetItemsProcessed(state.iterations() * writers);
  if (!(*storage)->stop().ok()) state.SkipWithError("the stop failed");
}

void append_never(benchmark::State& state) { append_and_wait(state, "never"); }
void append_always(benchmark::State& state) { append_and_wait(state, "always"); }
BENCHMARK(append_never)->ArgName("writers")->Arg(1)->Arg(256)->UseRealTime();
BENCHMARK(append_always)->ArgName("writers")->Arg(1)->Arg(256)->UseRealTime();

}  // namespace
}  // namespace kv
