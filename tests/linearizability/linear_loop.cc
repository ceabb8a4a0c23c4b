// linear_loop: clients read, set, compare, count, append and transact on a few keys at the same time, the server is
// killed in the middle and started again, and the checker asks whether all answers fit one order.
//
// A history is one life of the server that ends with a kill. With a log the kill changes nothing: the history goes on
// through it, and ends with what the next server is sent again and shows; what it shows is what the next history begins
// with. In SNAPSHOT and NON_PERSISTENT the kill takes state away and ends the history.
//
// A run fails when an answer does not fit, when the check gives up, and when there was too little of something
// (coverage.h).
#include <atomic>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <unistd.h>

#include "tests/linearizability/checker.h"
#include "tests/linearizability/client.h"
#include "tests/linearizability/coverage.h"
#include "tests/support/running_server.h"
#include "tests/support/server_torture.h"

namespace kv::linearizability {
namespace {

struct Options : ServerTortureOptions {
  Options() { cycles = 20; }
  std::uint64_t operations = 200;  // of one history, about
  unsigned clients = 8;
  unsigned keys = 3;
};

// Then the next history begins with an empty directory.
constexpr std::uint64_t kHistoriesPerDirectory = 25;

// A life of the server under load: every client calls until it gets no answer.
class Load {
 public:
  explicit Load(std::vector<Client>& clients) {
    for (Client& client : clients) threads_.emplace_back([this, &client] { run(client); });
  }
  ~Load() { join(); }

  // False when something went wrong before.
  bool wait_for(std::uint64_t operations) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return operations_.size() >= operations || !wrong_.empty(); });
    return wrong_.empty();
  }
  void expect_death() {
    const std::lock_guard lock(mutex_);
    dying_ = true;
  }
  std::vector<Operation> take() {
    join();
    return std::move(operations_);
  }
  const std::string& wrong() const { return wrong_; }

 private:
  void run(Client& client) {
    bool answered = true;
    while (answered) {
      std::string wrong;
      Operation operation;
      try {
        operation = client.next();
        answered = operation.fate == Operation::Fate::kAnswered;
        if (!answered)
          wrong = fmt::format("a call failed with the server alive ({}): {}", client.why(), describe(operation));
      } catch (const std::exception& failure) {
        answered = false;
        wrong = failure.what();
      }
      const std::lock_guard lock(mutex_);
      if (!answered && !dying_ && wrong_.empty()) wrong_ = wrong;
      operations_.push_back(operation);
      changed_.notify_one();
    }
  }
  void join() {
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool dying_ = false;
  std::string wrong_;
  std::vector<Operation> operations_;
  std::vector<std::thread> threads_;
};

class Loop {
 public:
  explicit Loop(const Options& options)
      : options_(options),
        random_(options.seed),
        directory_(fmt::format("{}/linear-{}-{}-{}", options.work_directory, options.mode, options.fsync, ::getpid())) {
    for (unsigned i = 0; i < options.clients; ++i) clients_.emplace_back(i, options.keys, random_(), clock_);
  }

  void run() {
    const TortureTime time(options_.seconds);
    while (histories_ < options_.cycles && !time.is_over()) {
      std::filesystem::remove_all(directory_);
      std::filesystem::create_directories(directory_);
      RunningServer server(server_options());
      std::array<Shown, kKeysMax> initial{};
      for (std::uint64_t i = 0; i < kHistoriesPerDirectory && histories_ < options_.cycles && !time.is_over(); ++i)
        initial = one_history(server, initial);
    }
    if (const std::string missing = coverage_.missing(); !missing.empty()) throw std::runtime_error(missing);
    if (coverage_.open == 0) throw std::runtime_error("nothing was under way at any kill");
    std::filesystem::remove_all(directory_);
  }

  const std::string& directory() const { return directory_; }
  std::uint64_t histories() const { return histories_; }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const {
    auto counts = coverage_.counts();
    counts.insert(counts.begin(), {{"histories", histories_}, {"kills", kills_}});
    counts.insert(counts.end(), {{"sent_again", sent_again_}, {"replayed", replayed_}});
    return counts;
  }
  std::size_t situations_most() const { return situations_most_; }

 private:
  bool has_log() const { return options_.mode == "aof" || options_.mode == "hybrid"; }

  ServerOptions server_options() const {
    return {.data_directory = directory_,
            // Several queues on any machine: with one, every call is carried out by one thread, and nothing overlaps.
            .flags = {"--mode", options_.mode, "--fsync", options_.fsync, "--fsync-interval", "100ms",
                      "--snapshot-interval", "1s", "--log-segment-size", "1MiB", "--log-rewrite-min-size", "1MiB",
                      "--completion-queues", "4"},
            .environment = {},
            .wrapper = {}};
  }

  // Gives what the keys are afterwards.
  std::array<Shown, kKeysMax> one_history(RunningServer& server, const std::array<Shown, kKeysMax>& initial) {
    History history{.keys = options_.keys, .initial = initial};
    history.operations = one_life(server);
    ++clock_;  // of what turns out to have been done before the crash
    const Instant crash = ++clock_;
    server.start();
    for (Client& client : clients_) client.connect(server.address());
    if (has_log()) {
      history.crash = crash;
      history.shows_what_is_lost = options_.fsync != "always";
      go_on(history);
    }
    const Operation last = clients_.front().look();
    if (last.results.size() != options_.keys) throw std::runtime_error("no look at the keys\n" + server.log());
    if (has_log()) history.operations.push_back(last);
    judge(history);
    std::array<Shown, kKeysMax> after{};
    for (unsigned key = 0; key < options_.keys; ++key) after[key] = *last.results[key].before;
    return after;
  }

  // The kill comes while all clients are at work.
  std::vector<Operation> one_life(RunningServer& server) {
    for (Client& client : clients_) {
      client.forget();
      client.connect(server.address());
    }
    Load load(clients_);
    const bool well = load.wait_for(options_.operations / 2 + random_() % options_.operations);
    if (well) load.expect_death();
    server.kill();
    ++kills_;
    std::vector<Operation> operations = load.take();
    if (!load.wrong().empty()) throw std::runtime_error(load.wrong() + "\n" + server.log());
    return operations;
  }

  // On the next server, all at once: what was open and can be sent again is, and everybody looks at all keys.
  void go_on(History& history) {
    std::erase_if(history.operations, [](const Operation& each) { return each.fate == Operation::Fate::kOpen; });
    std::mutex mutex;
    std::string wrong;
    std::vector<std::thread> threads;
    for (Client& client : clients_) {
      threads.emplace_back([&] {
        std::vector<Operation> noted;
        std::uint64_t sent = 0, replayed = 0;
        std::string failure;
        try {
          client.send_again(*history.crash, noted, sent, replayed);
          noted.push_back(client.look());
        } catch (const std::exception& caught) {
          failure = caught.what();
        }
        const std::lock_guard lock(mutex);
        if (!failure.empty()) wrong = failure;
        sent_again_ += sent;
        replayed_ += replayed;
        history.operations.insert(history.operations.end(), noted.begin(), noted.end());
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (!wrong.empty()) throw std::runtime_error(wrong);
  }

  void judge(const History& history) {
    coverage_.add(history);
    const Judgement judgement = check(history);
    situations_most_ = std::max(situations_most_, judgement.situations);
    if (judgement.verdict != Verdict::kLinearizable) {
      throw std::runtime_error(
          fmt::format("history {}: {} ({} situations)\n{}{}", histories_ + 1,
                      judgement.verdict == Verdict::kGaveUp ? "the check gave up" : "not linearizable",
                      judgement.situations, describe(history), judgement.why));
    }
    ++histories_;
  }

  const Options options_;
  std::mt19937_64 random_;
  const std::string directory_;
  std::atomic<Instant> clock_{0};
  std::vector<Client> clients_;
  Coverage coverage_;
  std::uint64_t histories_ = 0;
  std::uint64_t kills_ = 0;
  std::uint64_t sent_again_ = 0;
  std::uint64_t replayed_ = 0;
  std::size_t situations_most_ = 0;
};

int run(const Options& options) {
  std::cout << fmt::format("linearizability: mode {}, fsync {}, {} histories of {} clients on {} keys, seed {}\n",
                           options.mode, options.fsync, options.cycles, options.clients, options.keys, options.seed);
  const auto begin = std::chrono::steady_clock::now();
  Loop loop(options);
  const bool passed = runs_to_its_end(
      options.seed, [&] { loop.run(); }, [&] { return "The data is kept in " + loop.directory(); });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::cout << fmt::format("{} histories, {:.3f} s each; the longest search looked at {} situations\n",
                           loop.histories(), seconds / std::max<double>(1, static_cast<double>(loop.histories())),
                           loop.situations_most());
  print({.suite = "linear",
         .variant = options.variant(),
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
  CLI::App app("Checks that what clients do at the same time, with kills among it, fits one order.");
  app.add_option("--operations", options.operations, "of one history, about")->check(CLI::Range(2, 100000));
  app.add_option("--clients", options.clients, "at the same time")->check(CLI::Range(2, 64));
  app.add_option("--keys", options.keys, "that they fight for")->check(CLI::Range(2u, kv::linearizability::kKeysMax));
  options.add_to(app, "how many histories, each with a kill", {"non_persistent", "snapshot", "aof", "hybrid"});
  CLI11_PARSE(app, argc, argv);
  options.use_server();
  return kv::linearizability::run(options);
}
