// transfer_loop: a bank. Clients move money between accounts, each transfer one Transact with a request id, while the
// server is killed again and again; who does not know what became of a transfer sends it again.
//
// Three things must hold: every look at all accounts at one revision shows the same sum; no account is below zero; and
// the number of transfers that the transactions counted is the number that the clients were told. A run in which no
// transfer was under way at any kill proves nothing and fails.
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/support/running_server.h"
#include "tests/support/server_place.h"
#include "tests/support/server_torture.h"

namespace kv::transfers {
namespace {

namespace v1 = kvstore::v1;
using Stub = v1::KeyValueService::Stub;

struct Options : ServerTortureOptions {
  Options() { cycles = 4; }
  std::uint64_t transfers = 200;  // between two kills, about
  unsigned clients = 6;
  unsigned accounts = 8;
};

constexpr std::int64_t kBalance = 100;  // of each account at first: small, so that some transfers are refused

std::string account(std::uint64_t number) { return fmt::format("account {}", number); }
std::string tally(unsigned client) { return fmt::format("transfers of {}", client); }

// One client's connection, which follows the server.
class Line {
 public:
  explicit Line(ServerPlace& place) : place_(place) { follow(); }

  // Sends until there is an answer. False: the run has ended.
  template <class Send>
  bool until_answered(Send send, grpc::Status& status, std::uint64_t& retries) {
    while (stub_ != nullptr) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
      status = send(*stub_, context);
      if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return true;
      ++retries;
      follow();
    }
    return false;
  }

 private:
  void follow() {
    const auto at = place_.next(start_);
    if (!at) {
      stub_.reset();
      return;
    }
    start_ = at->start;
    grpc::ChannelArguments own;
    own.SetInt("grpc.use_local_subchannel_pool", 1);
    stub_ =
        v1::KeyValueService::NewStub(grpc::CreateCustomChannel(at->address, grpc::InsecureChannelCredentials(), own));
  }

  ServerPlace& place_;
  int start_ = 0;
  std::unique_ptr<Stub> stub_;
};

class Bank {
 public:
  explicit Bank(const Options& options)
      : options_(options),
        directory_(
            fmt::format("{}/transfers-{}-{}-{}", options.work_directory, options.mode, options.fsync, ::getpid())) {}

  void run() {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    RunningServer server({.data_directory = directory_,
                          .flags = {"--mode", options_.mode, "--fsync", options_.fsync, "--snapshot-interval", "1s",
                                    "--log-segment-size", "1MiB", "--log-rewrite-min-size", "1MiB"},
                          .environment = {},
                          .wrapper = {}});
    place_.move(server.address());
    open_accounts();
    Threads threads(*this);
    std::mt19937_64 random(options_.seed);
    const TortureTime time(options_.seconds);
    while (kills_ < options_.cycles && !time.is_over() && !wrong_) {
      wait_for_more(options_.transfers / 2 + random() % options_.transfers);
      server.kill();
      ++kills_;
      server.start();
      place_.move(server.address());
    }
    ending_ = true;
    threads.join_clients();
    look();
    judge_tallies();
    if (wrong_) throw std::runtime_error(why_ + "\n" + server.log());
    if (retries_ == 0) throw std::runtime_error("no transfer was under way at any kill");
    if (server.stop() != 0) throw std::runtime_error("the server did not stop cleanly\n" + server.log());
    std::filesystem::remove_all(directory_);
  }

  const std::string& directory() const { return directory_; }
  std::uint64_t kills() const { return kills_; }
  std::vector<std::pair<std::string, std::uint64_t>> counts() const {
    return {{"kills", kills_},        {"transfers", done_},    {"refused", refused_},
            {"sent_again", retries_}, {"replayed", replayed_}, {"looks_at_all", looks_.load()}};
  }

 private:
  // Ends with the run, however that ends.
  class Threads {
   public:
    explicit Threads(Bank& bank) : bank_(bank) {
      for (unsigned i = 0; i < bank.options_.clients; ++i) clients_.emplace_back([&bank, i] { bank.client(i); });
      watcher_ = std::thread([&bank] { bank.watch(); });
    }
    ~Threads() {
      bank_.ending_ = true;
      bank_.place_.close();
      join_clients();
      if (watcher_.joinable()) watcher_.join();
    }
    void join_clients() {
      for (std::thread& client : clients_) {
        if (client.joinable()) client.join();
      }
    }

   private:
    Bank& bank_;
    std::vector<std::thread> clients_;
    std::thread watcher_;
  };

  void fail(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (!wrong_) why_ = why;
    wrong_ = true;
    ending_ = true;
    done_changed_.notify_all();
  }

  void wait_for_more(std::uint64_t transfers) {
    std::unique_lock lock(mutex_);
    done_changed_.wait(lock, [this, enough = done_ + transfers] { return done_ >= enough || wrong_; });
  }

  void open_accounts() {
    Line line(place_);
    v1::TransactRequest request;
    for (std::uint64_t i = 0; i < options_.accounts; ++i) {
      v1::SetRequest& set = *request.add_then()->mutable_set();
      set.set_key(account(i));
      set.set_value(std::to_string(kBalance));
    }
    v1::TransactResponse response;
    grpc::Status status;
    std::uint64_t retries = 0;
    line.until_answered([&](Stub& stub, auto& context) { return stub.Transact(&context, request, &response); }, status,
                        retries);
    if (!status.ok()) throw std::runtime_error("no accounts: " + status.error_message());
  }

  static void add(v1::TransactRequest& request, const std::string& key, std::int64_t delta) {
    v1::IncrementRequest& increment = *request.add_then()->mutable_increment();
    increment.set_key(key);
    increment.set_delta(delta);
    if (delta < 0) increment.set_min(0);
  }

  void client(unsigned number) {
    std::mt19937_64 random(options_.seed * 64 + number);
    Line line(place_);
    std::uint64_t own = 0;
    while (!ending_) {
      const std::uint64_t from = random() % options_.accounts;
      const std::uint64_t to = (from + 1 + random() % (options_.accounts - 1)) % options_.accounts;
      const auto amount = static_cast<std::int64_t>(1 + random() % kBalance);
      v1::TransactRequest request;
      add(request, account(from), -amount);
      add(request, account(to), amount);
      add(request, tally(number), 1);
      std::string id(16, '\0');
      for (char& byte : id) byte = static_cast<char>(random());
      request.mutable_options()->set_request_id(id);
      v1::TransactResponse response;
      grpc::Status status;
      std::uint64_t retries = 0;
      const bool answered = line.until_answered(
          [&](Stub& stub, auto& context) { return stub.Transact(&context, request, &response); }, status, retries);
      if (!answered) return fail("a transfer was never answered");
      const bool refused = status.error_message().starts_with("INCREMENT_OVERFLOW");
      if (!status.ok() && !refused) return fail(status.error_message());
      own += status.ok() ? 1 : 0;
      note(retries, refused, response.write().replayed());
    }
    const std::lock_guard lock(mutex_);
    told_.emplace_back(number, own);
  }

  void note(std::uint64_t retries, bool refused, bool replayed) {
    const std::lock_guard lock(mutex_);
    ++done_;
    retries_ += retries;
    refused_ += refused ? 1 : 0;
    replayed_ += replayed ? 1 : 0;
    done_changed_.notify_all();
  }

  void watch() {
    while (!ending_) look();
  }

  // All accounts at one revision.
  void look() {
    Line line(place_);
    v1::MultiGetRequest request;
    for (std::uint64_t i = 0; i < options_.accounts; ++i) request.add_keys(account(i));
    request.set_consistent(true);
    std::vector<std::int64_t> balances;
    grpc::Status status;
    std::uint64_t retries = 0;
    const auto read = [&](Stub& stub, auto& context) {
      balances.clear();
      const auto reader = stub.MultiGet(&context, request);
      v1::MultiGetResponse chunk;
      while (reader->Read(&chunk)) {
        for (const v1::GetResponse& result : chunk.results())
          balances.push_back(std::stoll("0" + result.entry().value()));
      }
      return reader->Finish();
    };
    if (!line.until_answered(read, status, retries)) return;
    if (!status.ok()) return fail(status.error_message());
    std::int64_t sum = 0;
    std::string shown;
    for (const std::int64_t balance : balances) {
      sum += balance;
      shown += fmt::format(" {}", balance);
    }
    ++looks_;
    if (sum != kBalance * static_cast<std::int64_t>(options_.accounts)) fail("the balances are" + shown);
  }

  void judge_tallies() {
    Line line(place_);
    for (const auto& [number, own] : told_) {
      v1::GetRequest request;
      request.set_key(tally(number));
      v1::GetResponse response;
      grpc::Status status;
      std::uint64_t retries = 0;
      line.until_answered([&](Stub& stub, auto& context) { return stub.Get(&context, request, &response); }, status,
                          retries);
      const std::string counted = response.has_entry() ? response.entry().value() : "0";
      if (!status.ok() || counted != std::to_string(own))
        fail(fmt::format("client {} was told of {} transfers, and {} were made {}", number, own, counted,
                         status.error_message()));
    }
    if (told_.size() != options_.clients) fail("a client has not ended");
  }

  const Options options_;
  const std::string directory_;
  ServerPlace place_;
  std::atomic<bool> ending_{false};
  std::atomic<bool> wrong_{false};
  std::atomic<std::uint64_t> looks_{0};
  std::uint64_t kills_ = 0;
  std::mutex mutex_;  // guards what follows
  std::condition_variable done_changed_;
  std::string why_;
  std::uint64_t done_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t retries_ = 0;
  std::uint64_t replayed_ = 0;
  std::vector<std::pair<unsigned, std::uint64_t>> told_;  // of each client, how many transfers
};

int run(const Options& options) {
  std::cout << fmt::format("transfers: mode {}, fsync {}, {} kills, seed {}\n", options.mode, options.fsync,
                           options.cycles, options.seed);
  Bank bank(options);
  const bool passed = runs_to_its_end(
      options.seed, [&] { bank.run(); }, [&] { return "The data is kept in " + bank.directory(); });
  print({.suite = "transfers",
         .variant = options.variant(),
         .cycles = bank.kills(),
         .seed = options.seed,
         .counts = bank.counts(),
         .passed = passed});
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace kv::transfers

int main(int argc, char** argv) {
  kv::transfers::Options options;
  CLI::App app("Transfers between accounts, each a transaction with a request id, under kills.");
  app.add_option("--transfers", options.transfers, "between two kills, about")->check(CLI::Range(2, 1000000));
  app.add_option("--clients", options.clients, "at the same time")->check(CLI::Range(1, 64));
  app.add_option("--accounts", options.accounts, "that they fight for")->check(CLI::Range(2, 1000));
  options.add_to(app, "how many kills", {"aof", "hybrid"});
  CLI11_PARSE(app, argc, argv);
  options.use_server();
  return kv::transfers::run(options);
}
