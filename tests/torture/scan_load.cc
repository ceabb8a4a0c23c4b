// scan_load: SNAPSHOT scans of a store that clients write to at full rate, through the service.
//
// The store is filled with --keys, then four clients, each with keys of its own, set and delete them as fast as they
// get answers, and note every change with the revision it got. Every scan must be the replay of those notes up to its
// revision: the same keys, versions and values, each once. Three sides take turns: nothing beside the writers, scans
// one after the other, and threads that only compute. The last one is what the machine's scheduler takes from the
// writers for work that never gives way. The time of each write goes to its side, and the program prints all three.
// --ratio-max R, on an idle machine, fails the run when the 99th percentile beside scans is more than R times the
// other. It also fails when a scan could not be completed at all, or nothing was written while one ran.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <iostream>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "persistence/journal.h"
#include "rpc/server.h"
#include "server/key_value_service.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_directory.h"
#include "tests/support/thread_scheduler.h"
#include "tests/support/torture.h"
#include "tests/torture/scan_bytes.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;
using Time = std::chrono::steady_clock;

struct Options : TortureOptions {
  Options() { cycles = 3; }
  std::uint64_t keys = 100'000;
  std::uint64_t writers = 4;
  std::uint64_t side_seconds = 3;
  std::uint64_t computing = 2;
  double ratio_max = 0;
};

class EasyKeeper final : public LogKeeper {
 public:
  absl::Status segments_prepared(std::uint64_t, std::uint64_t) override { return absl::OkStatus(); }
  absl::StatusOr<Revision> raise_ceiling(Revision needed) override { return needed + 100'000'000; }
};

class PlainCaller final : public Caller {
 public:
  explicit PlainCaller(Scheduler& home) : home_(home) {}
  Scheduler& home() noexcept override { return home_; }
  absl::Status still_wanted() noexcept override { return absl::OkStatus(); }

 private:
  Scheduler& home_;
};

// The service over a store without a log, on a port of its own.
struct Served {
  Served() {
    JournalOptions options;
    options.directory = directory.path();
    journal.emplace(posix_file_system(), clock, keeper, options);
    journal->start(0, 1'000'000'000);
    journal->resume();
    engine.attach(*journal);
    engine.start_serving();
    if (const absl::Status started = rpc.start(); !started.ok()) throw std::runtime_error(started.ToString());
  }
  ~Served() {
    rpc.drain(Time::now() + std::chrono::seconds(5), [this] { journal->abandon_waiters(); });
    rpc.close();
    journal->abandon_waiters();
    (void)journal->stop();
  }
  // A connection of its own for each.
  std::shared_ptr<grpc::Channel> connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);
    return grpc::CreateCustomChannel(rpc.addresses().front(), grpc::InsecureChannelCredentials(), arguments);
  }

  TempDirectory directory;
  SystemClock clock;
  EasyKeeper keeper;
  Store store{{.shard_count = 64}};
  LoadProgress progress;
  std::optional<Journal> journal;
  Engine engine{store, clock, limits(), progress};
  KeyValueService service{engine};
  RpcServer rpc{RpcServerOptions{}, {&service}};

 private:
  static Limits limits() {
    Limits limits;
    limits.scan_budget_bytes = std::size_t{1} << 30;  // scans are to end, however slow this machine is
    return limits;
  }
};

// What a key had from a revision on; nonce 0: it was gone.
struct Note {
  Revision revision;
  std::uint32_t key;
  std::uint32_t nonce;
};
struct Seen {
  std::uint32_t key;
  std::uint32_t nonce;
  Revision version;
};

struct Scanned {
  Revision at = 0;
  std::vector<Seen> seen;
};

std::string key_of(std::uint32_t key) { return fmt::format("key {:010}", key); }
std::string value_of(std::uint32_t key, std::uint32_t nonce) {
  return fmt::format("{:010} {:010} {:042}", key, nonce, 0);
}

// What is beside the writers.
enum class Side : std::uint8_t { kNothing, kScans, kComputing };
constexpr std::size_t kSides = 3;

// Of one side, in microseconds.
struct Latencies {
  std::mutex mutex;
  std::vector<std::uint32_t> micros;

  std::uint32_t percentile(double share) {
    if (micros.empty()) return 0;
    const auto at = micros.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(micros.size() - 1));
    std::nth_element(micros.begin(), at, micros.end());
    return *at;
  }
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options) {
    fill();
    for (std::uint64_t number = 0; number < options.writers; ++number)
      writers_.emplace_back([this, number] { keep_writing(static_cast<std::uint32_t>(number)); });
  }
  ~Load() { stop(); }

  void run() {
    const TortureTime time(options_.seconds);
    for (std::uint64_t cycle = 0; cycle < options_.cycles && !time.is_over(); ++cycle) {
      ++cycles_;
      side_ = Side::kNothing;
      std::this_thread::sleep_for(std::chrono::seconds(options_.side_seconds));
      side_ = Side::kScans;
      const auto end = Time::now() + std::chrono::seconds(options_.side_seconds);
      while (Time::now() < end) scan();
      side_ = Side::kComputing;
      compute();
    }
    stop();
    check();
  }

  std::uint64_t cycles() const { return cycles_; }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const {
    return {
        {"scans", scans_.size()}, {"keys_compared", compared_}, {"writes", notes_.size()}, {"beside_scans", beside_}};
  }
  // All sides; false when the bound is not kept.
  bool report() {
    for (const double share : {0.5, 0.99, 0.999}) {
      std::cout << fmt::format(
          "writes, {:5.1f} %: {:6} us without a scan, {:6} us beside one, {:6} us beside {} "
          "threads that compute\n",
          share * 100, of(Side::kNothing).percentile(share), of(Side::kScans).percentile(share),
          of(Side::kComputing).percentile(share), options_.computing);
    }
    std::cout << fmt::format(
        "writes: {} without a scan, {} beside one, {} beside threads that compute; scans: {}, "
        "{:.0f} ms each, {:.0f} keys a second\n",
        of(Side::kNothing).micros.size(), of(Side::kScans).micros.size(), of(Side::kComputing).micros.size(),
        scans_.size(), scan_seconds_ * 1e3 / static_cast<double>(scans_.size()),
        static_cast<double>(compared_) / scan_seconds_);
    const double ratio = static_cast<double>(of(Side::kScans).percentile(0.99)) / of(Side::kNothing).percentile(0.99);
    return options_.ratio_max == 0 || ratio <= options_.ratio_max;
  }

 private:
  void fill() {
    ThreadScheduler home;
    PlainCaller caller(home);
    for (std::uint32_t key = 0; key < options_.keys; ++key) {
      const std::string name = key_of(key);
      const std::string value = value_of(key, 1);
      Operation operation;
      operation.kind = OperationKind::kSet;
      operation.key = name;
      operation.value = value;
      const auto written = run_task(served_.engine.write(operation, caller));
      if (!written.ok()) throw std::runtime_error(written.status().ToString());
      notes_.push_back({written->revision, key, 1});
    }
  }

  // Keys number, number + writers, number + 2 * writers ...
  void keep_writing(std::uint32_t number) {
    std::mt19937_64 random(options_.seed * 10 + number);
    const auto stub = v1::KeyValueService::NewStub(served_.connect());
    std::vector<Note> notes;
    const std::uint64_t own = options_.keys / options_.writers;
    for (std::uint32_t nonce = 2; !stopping_; ++nonce) {
      const auto key = static_cast<std::uint32_t>(random() % own * options_.writers + number);
      const Side beside = side_;
      const auto begin = Time::now();
      const Revision revision = random() % 8 == 0 ? remove(*stub, key) : set(*stub, key, nonce);
      const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Time::now() - begin);
      if (revision != 0) notes.push_back({revision, key, removed ? 0 : nonce});
      Latencies& side = of(beside);
      const std::lock_guard lock(side.mutex);
      side.micros.push_back(static_cast<std::uint32_t>(took.count()));
    }
    const std::lock_guard lock(mutex_);
    notes_.insert(notes_.end(), notes.begin(), notes.end());
  }

  static thread_local bool removed;
  static Revision set(v1::KeyValueService::Stub& stub, std::uint32_t key, std::uint32_t nonce) {
    removed = false;
    v1::SetRequest request;
    request.set_key(key_of(key));
    request.set_value(value_of(key, nonce));
    grpc::ClientContext context;
    v1::SetResponse response;
    const grpc::Status status = stub.Set(&context, request, &response);
    if (!status.ok()) throw std::runtime_error(status.error_message());
    return response.write().revision();
  }
  static Revision remove(v1::KeyValueService::Stub& stub, std::uint32_t key) {
    removed = true;
    v1::DeleteRequest request;
    request.set_key(key_of(key));
    grpc::ClientContext context;
    v1::DeleteResponse response;
    const grpc::Status status = stub.Delete(&context, request, &response);
    if (!status.ok()) throw std::runtime_error(status.error_message());
    return response.write().revision();
  }

  Latencies& of(Side side) { return sides_[static_cast<std::size_t>(side)]; }

  void compute() const {
    const auto end = Time::now() + std::chrono::seconds(options_.side_seconds);
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < options_.computing; ++i) {
      threads.emplace_back([end] {
        while (Time::now() < end) {
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::this_thread::sleep_until(end);
  }

  // What came is looked at in check(): here it would compute beside the writers.
  void scan() {
    const auto begin = Time::now();
    v1::ScanRequest request;
    request.set_include_values(true);
    const grpc::Status status = scans_.emplace_back().receive(channel_, request);
    if (!status.ok()) throw std::runtime_error(status.error_message());
    scan_seconds_ += std::chrono::duration<double>(Time::now() - begin).count();
  }

  void stop() {
    stopping_ = true;
    for (std::thread& writer : writers_) writer.join();
    writers_.clear();
  }

  // Every scan against the notes up to its revision.
  void check() {
    std::sort(notes_.begin(), notes_.end(), [](const Note& a, const Note& b) { return a.revision < b.revision; });
    std::vector<Note> state(options_.keys);
    std::size_t replayed = 0;
    for (ScanBytes& bytes : scans_) {  // in the order of their revisions: one after the other
      const Scanned scanned = read(bytes);
      const std::size_t before = replayed;
      for (; replayed < notes_.size() && notes_[replayed].revision <= scanned.at; ++replayed)
        state[notes_[replayed].key] = notes_[replayed];
      beside_ += replayed - before;
      compare(scanned, state);
      compared_ += scanned.seen.size();
    }
    if (scans_.empty() || notes_.size() == options_.keys) throw std::runtime_error("nothing was scanned or written");
  }

  static Scanned read(ScanBytes& bytes) {
    Scanned scanned;
    v1::ScanResponse chunk;
    while (bytes.next(chunk)) {
      if (scanned.at != 0 && chunk.revision() != scanned.at) throw std::runtime_error("a scan changed its revision");
      scanned.at = chunk.revision();
      for (const v1::Entry& entry : chunk.entries()) {
        const auto key = static_cast<std::uint32_t>(std::stoul(entry.key().substr(4)));
        const auto nonce = static_cast<std::uint32_t>(std::stoul(entry.value().substr(11, 10)));
        if (entry.value() != value_of(key, nonce)) throw std::runtime_error("a value that nobody wrote");
        scanned.seen.push_back({key, nonce, entry.version()});
      }
    }
    return scanned;
  }

  static void compare(const Scanned& scanned, const std::vector<Note>& state) {
    std::vector<bool> met(state.size());
    for (const Seen& seen : scanned.seen) {
      if (met.at(seen.key)) throw std::runtime_error(fmt::format("{} came twice", key_of(seen.key)));
      met[seen.key] = true;
      const Note& expected = state[seen.key];
      if (expected.nonce != seen.nonce || expected.revision != seen.version)
        throw std::runtime_error(fmt::format("{} at revision {} is {} of {}, not {} of {}", key_of(seen.key),
                                             scanned.at, seen.nonce, seen.version, expected.nonce, expected.revision));
    }
    for (std::uint32_t key = 0; key < state.size(); ++key) {
      if (!met[key] && state[key].nonce != 0)
        throw std::runtime_error(fmt::format("{} is missing at revision {}", key_of(key), scanned.at));
    }
  }

  const Options options_;
  Served served_;
  const std::shared_ptr<grpc::Channel> channel_ = served_.connect();  // of the scans
  std::atomic<Side> side_{Side::kNothing};
  std::atomic<bool> stopping_{false};
  std::array<Latencies, kSides> sides_;
  std::mutex mutex_;
  std::vector<Note> notes_;  // guarded by mutex_ while writers run
  std::vector<ScanBytes> scans_;
  std::uint64_t cycles_ = 0;
  std::uint64_t compared_ = 0;
  std::uint64_t beside_ = 0;
  double scan_seconds_ = 0;
  std::vector<std::thread> writers_;
};

thread_local bool Load::removed = false;

int run(const Options& options) {
  TortureResult result;
  result.suite = "scan";
  // A run that was not judged by the bound is no run of the bounded ones.
  const std::string bound = options.ratio_max == 0 ? "" : fmt::format(", at most {} times slower", options.ratio_max);
  result.variant = fmt::format("{} keys{}", options.keys, bound);
  result.seed = options.seed;
  try {
    Load load(options);
    load.run();
    result.cycles = load.cycles();
    result.counts = load.counts();
    result.passed = load.report();
  } catch (const std::exception& error) {
    std::cerr << "scan_load: " << error.what() << '\n';
  }
  print(result);
  return result.passed ? 0 : 1;
}

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  CLI::App app("SNAPSHOT scans while clients write at full rate: each equals the model at its revision");
  kv::Options options;
  options.add_to(app, "rounds of the three sides");
  app.add_option("--keys", options.keys, "keys in the store")->capture_default_str()->take_last();
  app.add_option("--writers", options.writers, "clients that write")->capture_default_str()->take_last();
  app.add_option("--side-seconds", options.side_seconds, "how long each side lasts")
      ->capture_default_str()
      ->take_last();
  app.add_option("--computing", options.computing, "threads that compute on the third side")
      ->capture_default_str()
      ->take_last();
  app.add_option("--ratio-max", options.ratio_max,
                 "fail when the p99 beside a scan is more than so many times the other")
      ->take_last();
  CLI11_PARSE(app, argc, argv);
  return kv::run(options);
}
