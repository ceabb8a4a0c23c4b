// kvstore_store_bench: what the data costs in memory, and what a snapshot by fork costs, without a server around them.
//
// Linked with the server's allocator. The store is filled with keys of 16 bytes and values of 64 (--value-bytes).
//   memory   bytes for each key, as the store counts them and as the system does
//   fork     snapshots one after the other while keys are overwritten (--writes of them before the child may go on):
//            the pause at each fork, what was copied, and how long the huge pages took to be mended
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <random>
#include <string>
#include <system_error>
#include <thread>

#include <CLI/CLI.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <sys/prctl.h>

#include "core/absl_text.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "persistence/snapshot_forker.h"
#include "store/store.h"

namespace kv {
namespace {

using std::chrono::steady_clock;

struct Options {
  std::uint64_t keys = 1'000'000;
  std::size_t value_bytes = 64;
  std::size_t shards = 64;
  bool expiry = false;
  bool huge_pages = true;
  std::uint64_t forks = 5;
  std::uint64_t writes = 100'000;
  std::string directory = ".";
};

// A directory that is gone with what is in it, also after a failure.
class Workplace {
 public:
  explicit Workplace(const std::string& parent) : path_(parent + "/kvstore_store_bench.XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), path_);
  }
  ~Workplace() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

double milliseconds_since(steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
}

std::uint64_t kilobytes(const std::string& name) {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::stoull(line.substr(name.size() + 1));
  }
  return 0;
}

// Two loads of the same keys write different values.
void put(Store& store, const Options& options, std::uint64_t number, Revision revision) {
  const std::string name = fmt::format("{:016}", number);
  const std::string value(options.value_bytes, static_cast<char>('a' + revision % 26));
  const HashedKey key(name);
  const HashedValue hashed{value};
  WriteLock lock = store.write(key);
  const UnixMillis expire_at = options.expiry ? 1'800'000'000'000 + static_cast<UnixMillis>(number) : kNoExpiry;
  lock.publish(lock.prepare_put(key, hashed, ValueType::kString, expire_at), revision);
}

Revision fill(Store& store, const Options& options) {
  const auto begin = steady_clock::now();
  for (std::uint64_t i = 0; i < options.keys; ++i) put(store, options, i, i + 1);
  std::cout << fmt::format("filled keys={} seconds={:.2f}\n", options.keys, milliseconds_since(begin) / 1e3);
  return options.keys;
}

void measure_memory(const Options& options) {
  Store store({.shard_count = options.shards});
  put(store, options, 0, 1);  // What the first key costs once, the heap's first places, is not a key's.
  const std::uint64_t before = kilobytes("Rss");
  fill(store, options);
  const std::uint64_t resident = (kilobytes("Rss") - before) * 1024;
  const StoreTotals totals = store.totals();
  const auto each = [&](std::uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(options.keys); };
  std::cout << fmt::format("counted={:.1f} resident={:.1f} bytes a key; {} KiB in huge pages\n",
                           each(totals.memory_bytes), each(resident), kilobytes("AnonHugePages"));
}

// An io_context with a thread of its own.
class RunningIo {
 public:
  RunningIo() = default;
  ~RunningIo() {
    work_.reset();
    thread_.join();
  }
  RunningIo(const RunningIo&) = delete;
  RunningIo& operator=(const RunningIo&) = delete;
  boost::asio::io_context& context() noexcept { return io_; }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_{[this] { io_.run(); }};
};

void measure_forks(const Options& options) {
  Store store({.shard_count = options.shards});
  std::atomic<Revision> last{fill(store, options)};
  const Workplace workplace(options.directory);
  RunningIo io;
  SnapshotForkerOptions forker_options;
  SystemClock clock;
  SnapshotForker forker(
      io.context(), posix_file_system(), clock, store, [&] { return last.load(); }, forker_options);
  std::mt19937_64 random(1);
  for (std::uint64_t number = 1; number <= options.forks; ++number) {
    std::promise<SnapshotOutcome> done;
    std::future<SnapshotOutcome> future = done.get_future();
    const absl::Status begun = forker.begin({.number = number, .store_id = {}, .directory = workplace.path()},
                                            [&](SnapshotOutcome outcome) { done.set_value(std::move(outcome)); });
    if (!begun.ok()) throw std::runtime_error(begun.ToString());
    std::uint64_t writes = 0;
    double slowest = 0;
    while (writes < options.writes || future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      const auto begin = steady_clock::now();
      put(store, options, random() % options.keys, ++last);
      ++writes;
      slowest = std::max(slowest, milliseconds_since(begin));
    }
    const SnapshotOutcome outcome = future.get();
    if (!outcome.status.ok()) throw std::runtime_error(outcome.status.ToString());
    posix_file_system().remove(outcome.temporary_path).IgnoreError();
    const double gib = static_cast<double>(kilobytes("Rss")) / (1 << 20);
    std::cout << fmt::format(
        "fork={} pause_ms={:.2f} gib={:.2f} pause_ms_per_gib={:.2f} snapshot_ms={} writes={} "
        "slowest_write_ms={:.2f} copied_mib={} huge_mib={}",
        number, static_cast<double>(outcome.pause.count()) / 1e3, gib,
        static_cast<double>(outcome.pause.count()) / 1e3 / gib, outcome.duration.count(), writes, slowest,
        outcome.copied_bytes.value_or(0) >> 20, kilobytes("AnonHugePages") >> 10);
    const auto begin = steady_clock::now();
    forker.mender().wait_until_done();
    std::cout << fmt::format(" mended_ms={:.0f} huge_mib={}", milliseconds_since(begin),
                             kilobytes("AnonHugePages") >> 10)
              << std::endl;
  }
}

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  kv::Options options;
  CLI::App app("Measures the store by itself: memory of a key, and the pause of a snapshot's fork.");
  app.require_subcommand(1);
  app.add_option("--keys", options.keys, "in the store")->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--value-bytes", options.value_bytes, "size of each value")->check(CLI::Range(0, 4'000'000));
  app.add_option("--shards", options.shards, "stripes, a power of two")->check(CLI::Range(1, 65536));
  app.add_flag("--expiry", options.expiry, "every key has one");
  app.add_flag("--huge-pages,!--no-huge-pages", options.huge_pages, "whether this process may have them");
  CLI::App* memory = app.add_subcommand("memory", "bytes for each key");
  CLI::App* fork = app.add_subcommand("fork", "snapshots under writes");
  fork->add_option("--forks", options.forks, "how many")->check(CLI::Range(1, 1000));
  fork->add_option("--writes", options.writes, "at least so many during each")->check(CLI::Range(0, 1'000'000'000));
  fork->add_option("--directory", options.directory, "where the snapshots are written, and removed again");
  for (CLI::App* each : {memory, fork}) each->fallthrough();
  CLI11_PARSE(app, argc, argv);
  try {
    if (!options.huge_pages && ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) throw std::runtime_error("prctl");
    if (memory->parsed()) kv::measure_memory(options);
    if (fork->parsed()) kv::measure_forks(options);
  } catch (const std::exception& failure) {
    std::cerr << "kvstore_store_bench: " << failure.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
