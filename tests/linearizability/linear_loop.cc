// linear_loop: clients get, set and delete a few keys at the same time, the server is killed in the middle and
// started again, and the checker asks whether all answers fit one order.
//
// One history is --epochs runs of the server with kills between them. With a log a kill changes nothing: the history
// goes on through it, writes that were not answered stay open. In SNAPSHOT and NON_PERSISTENT a kill takes state away:
// there each epoch is a history of its own, that begins with what the key shows after the start.
//
// A history in which nothing overlapped proves nothing: too few such operations fail the run, and so does a check that
// gives up.

#include <atomic>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <grpcpp/client_context.h>
#include <unistd.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "tests/crash/workload.h"
#include "tests/linearizability/checker.h"
#include "tests/support/running_server.h"
#include "tests/support/torture.h"

namespace kv::linearizability {
namespace {

struct Options : TortureOptions {
  Options() { cycles = 2; }
  std::string mode = "hybrid";
  std::string fsync = "always";
  std::string work_directory = KV_CRASH_DIRECTORY;
  std::uint64_t operations = 1500;  // of one epoch
  unsigned epochs = 4;
  unsigned clients = 6;
  unsigned keys = 5;
};

using Operations = std::map<std::string, std::vector<Operation>>;

class Clients {
 public:
  Clients(const Options& options, const std::string& target, std::atomic<Instant>& clock, std::atomic<Value>& values,
          std::uint64_t seed)
      : options_(options), clock_(clock), values_(values) {
    for (unsigned i = 0; i < options.clients; ++i) {
      threads_.emplace_back([this, target, seed, i] { run(target, seed * 64 + i); });
    }
  }
  ~Clients() { join(); }

  void wait_for(std::uint64_t operations) {
    for (std::uint64_t now = done_; now < operations && !failed_; now = done_) done_.wait(now);
  }
  void expect_death() { dying_ = true; }
  void join() {
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  Operations take() { return std::move(operations_); }
  bool failed() const { return failed_; }

 private:
  void run(const std::string& target, std::uint64_t seed) {
    const auto stub = kvstore::KeyValueStore::NewStub(crash::connect(target));
    std::mt19937_64 random(seed);
    bool alive = true;
    while (alive) {
      const std::string key = fmt::format("key {}", random() % options_.keys);
      const std::uint64_t dice = random() % 100;
      Operation operation;
      operation.kind = dice < 45 ? Operation::Kind::kGet : dice < 85 ? Operation::Kind::kSet : Operation::Kind::kDelete;
      alive = call(*stub, key, operation);
      if (!alive && !dying_) failed_ = true;
      std::lock_guard lock(mutex_);
      operations_[key].push_back(operation);
      ++done_;
      done_.notify_one();
    }
  }

  bool call(kvstore::KeyValueStore::Stub& stub, const std::string& key, Operation& operation) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    grpc::Status status;
    Value answer = operation.kind == Operation::Kind::kSet ? ++values_ : kMissing;
    operation.value = answer;
    operation.called = ++clock_;
    if (operation.kind == Operation::Kind::kGet) {
      kvstore::GetRequest request;
      request.set_key(key);
      kvstore::GetResponse response;
      status = stub.Get(&context, request, &response);
      if (status.ok() && !response.value().empty()) answer = std::stoull(response.value());
    } else if (operation.kind == Operation::Kind::kSet) {
      kvstore::SetRequest request;
      request.set_key(key);
      request.set_value(std::to_string(answer));
      google::protobuf::Empty response;
      status = stub.Set(&context, request, &response);
    } else {
      kvstore::DelRequest request;
      request.set_key(key);
      kvstore::DelResponse response;
      status = stub.Del(&context, request, &response);
      answer = response.success() ? 1 : 0;
    }
    if (!status.ok()) return false;
    operation.value = answer;
    operation.returned = ++clock_;
    return true;
  }

  const Options& options_;
  std::atomic<Instant>& clock_;
  std::atomic<Value>& values_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> dying_{false};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  Operations operations_;
  std::vector<std::thread> threads_;
};

class Loop {
 public:
  explicit Loop(const Options& options)
      : options_(options),
        random_(options.seed),
        directory_(fmt::format("{}/linear-{}-{}-{}", options.work_directory, options.mode, options.fsync, ::getpid())) {
  }

  void run() {
    const TortureTime time(options_.seconds);
    while (histories_ < options_.cycles && !time.is_over()) one_history();
    if (overlapping_ * 4 < operations_) throw std::runtime_error("too few operations overlapped");
    std::filesystem::remove_all(directory_);
  }
  const std::string& directory() const { return directory_; }
  std::uint64_t histories() const { return histories_; }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const {
    return {{"histories", histories_},
            {"kills", kills_},
            {"operations", operations_},
            {"overlapping", overlapping_},
            {"open", open_}};
  }

 private:
  bool has_log() const { return options_.mode == "aof" || options_.mode == "hybrid"; }

  void one_history() {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    RunningServer server({.data_directory = directory_,
                          .flags = {"--mode", options_.mode, "--fsync", options_.fsync, "--fsync-interval", "100ms",
                                    "--snapshot-interval", "1s", "--log-segment-size", "1MiB"},
                          .environment = {},
                          .wrapper = {}});
    Operations history;
    std::map<std::string, Value> initial;
    for (unsigned epoch = 0; epoch < options_.epochs; ++epoch) {
      run_epoch(server, history);
      server.start();
      const Operations shown = read_all(server.address());
      for (const auto& [key, read] : shown) history[key].push_back(read.front());
      if (has_log()) continue;
      for (auto& [key, operations] : history) operations.pop_back();  // What shows now belongs to the next epoch.
      judge(history, initial);
      history.clear();
      for (const auto& [key, read] : shown) initial[key] = read.front().value;
    }
    if (has_log()) judge(history, initial);
    ++histories_;
    std::cout << fmt::format("history {:>4}: {} operations so far, {} open\n", histories_, operations_, open_)
              << std::flush;
  }

  // The kill comes while all clients are at work.
  void run_epoch(RunningServer& server, Operations& history) {
    Clients clients(options_, server.address(), clock_, values_, random_());
    clients.wait_for(options_.operations / 2 + random_() % options_.operations);
    clients.expect_death();
    server.kill();
    clients.join();
    ++kills_;
    if (clients.failed()) throw std::runtime_error("a call failed with the server alive\n" + server.log());
    for (auto& [key, operations] : clients.take()) {
      auto& all = history[key];
      all.insert(all.end(), operations.begin(), operations.end());
    }
  }

  Operations read_all(const std::string& target) {
    const auto stub = kvstore::KeyValueStore::NewStub(crash::connect(target));
    Operations shown;
    for (unsigned i = 0; i < options_.keys; ++i) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
      kvstore::GetRequest request;
      request.set_key(fmt::format("key {}", i));
      kvstore::GetResponse response;
      const Instant called = ++clock_;
      const grpc::Status status = stub->Get(&context, request, &response);
      if (!status.ok()) throw std::runtime_error("a read failed after the start: " + status.error_message());
      const Value value = response.value().empty() ? kMissing : std::stoull(response.value());
      shown[request.key()].push_back({Operation::Kind::kGet, value, called, ++clock_});
    }
    return shown;
  }

  void judge(const Operations& history, const std::map<std::string, Value>& initial) {
    for (const auto& [key, operations] : history) {
      count(operations);
      const auto before = initial.find(key);
      const Verdict verdict = check(operations, before == initial.end() ? kMissing : before->second);
      if (verdict == Verdict::kLinearizable) continue;
      throw std::runtime_error(fmt::format("{}: {}\n{}", key,
                                           verdict == Verdict::kGaveUp ? "the check gave up" : "not linearizable",
                                           describe(operations)));
    }
  }

  // An operation overlaps when another on its key was called, but not answered, at the moment of its call.
  void count(const std::vector<Operation>& operations) {
    for (const Operation& one : operations) {
      ++operations_;
      open_ += one.returned == kNever;
      for (const Operation& other : operations) {
        if (other.called < one.called && other.returned > one.called && other.returned != kNever) {
          ++overlapping_;
          break;
        }
      }
    }
  }

  const Options options_;
  std::mt19937_64 random_;
  const std::string directory_;
  std::atomic<Instant> clock_{0};
  std::atomic<Value> values_{0};
  std::uint64_t histories_ = 0;
  std::uint64_t kills_ = 0;
  std::uint64_t operations_ = 0;
  std::uint64_t overlapping_ = 0;
  std::uint64_t open_ = 0;
};

int run(const Options& options) {
  std::cout << fmt::format("linearizability: mode {}, fsync {}, {} histories, seed {}\n", options.mode, options.fsync,
                           options.cycles, options.seed);
  Loop loop(options);
  bool passed = false;
  try {
    loop.run();
    passed = true;
  } catch (const std::exception& failure) {
    std::cout << fmt::format("FAILED (seed {}): {}\nThe data is kept in {}\n", options.seed, failure.what(),
                             loop.directory());
  }
  print({.suite = "linear",
         .variant = options.mode + (options.mode == "aof" || options.mode == "hybrid" ? " " + options.fsync : ""),
         .cycles = loop.histories(),
         .seed = options.seed,
         .counts = loop.counts(),
         .passed = passed});
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace kv::linearizability

int main(int argc, char** argv) {
  kv::linearizability::Options options;
  std::string server;
  CLI::App app("Checks that concurrent reads and writes, with kills among them, fit one order.");
  app.add_option("--server", server, "the server's binary (default: the one of this build)");
  app.add_option("--mode", options.mode, "non_persistent, snapshot, aof or hybrid")
      ->check(CLI::IsMember({"non_persistent", "snapshot", "aof", "hybrid"}));
  app.add_option("--fsync", options.fsync, "always, interval or never; of aof and hybrid")
      ->check(CLI::IsMember({"always", "interval", "never"}));
  app.add_option("--operations", options.operations, "of one epoch, about")->check(CLI::Range(2, 1000000));
  app.add_option("--epochs", options.epochs, "runs of the server in one history")->check(CLI::Range(1, 100));
  app.add_option("--clients", options.clients, "at the same time")->check(CLI::Range(2, 64));
  app.add_option("--keys", options.keys, "that they fight for")->check(CLI::Range(1, 1000));
  app.add_option("--work-directory", options.work_directory, "where the data directory is made");
  options.add_to(app, "how many histories");
  CLI11_PARSE(app, argc, argv);
  if (!server.empty()) ::setenv("KVSTORE_SERVER", server.c_str(), 1);
  return kv::linearizability::run(options);
}
