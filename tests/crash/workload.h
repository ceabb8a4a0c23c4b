// Eight writers (or as many as asked for) that keep a server busy until it dies, and tell the History what they do.
//
// Most keys belong to one writer, a few are fought over by all. Values are mostly small; some are 64 KiB to 1 MiB, so
// that a kill finds the server in the middle of a write. One write in seven is a delete, one in seven a transaction
// that sets two keys, and one in seven, like one in two of the transactions, gives its key an expiry that is far away.
//
// Threads:  one a writer; the calls below from the thread that made it.
// Lifetime: stop() joins; the destructor stops. The History outlives it.
// Errors:   a call that fails before expect_death() is a finding, and so is a revision that was given before. After it,
// every failure is an open write.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "tests/crash/history.h"

namespace kv::crash {

// A channel of its own connection, which gives up at once when the server is away.
std::shared_ptr<grpc::Channel> connect(const std::string& target);

class Workload {
 public:
  struct Options {
    std::string target;
    unsigned writers = 8;
    std::uint64_t seed = 0;
    bool large_values = true;
    std::uint32_t first_writer = 0;  // ids of writers, and with them of writes, are never used twice in a run
  };

  Workload(History& history, const Options& options);
  ~Workload();

  // False when that many have not been acknowledged within the bound.
  bool wait_for_acknowledged(std::uint64_t count, std::chrono::seconds bound);
  // From now on calls may fail.
  void expect_death() { dying_ = true; }
  void stop();

  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t open() const { return open_; }
  std::vector<std::string> findings() const;

 private:
  void run(const Options& options, unsigned lane);
  struct Stubs;
  grpc::Status call(Stubs& stubs, const std::string& key, WriteId id, const Options& options, unsigned lane,
                    std::mt19937_64& random);
  grpc::Status erase(Stubs& stubs, const std::string& key);
  grpc::Status set(Stubs& stubs, const std::string& key, WriteId id, std::size_t size);
  grpc::Status set_until(Stubs& stubs, const std::string& key, WriteId id, std::size_t size, std::int64_t expire_at);
  grpc::Status set_both(Stubs& stubs, const std::string& first, const std::string& second, WriteId id, std::size_t size,
                        std::int64_t expire_at);
  void acknowledge(const History::Intent& intent, const grpc::ClientContext& context, bool changed);
  void note(std::string finding);

  History& history_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> dying_{false};
  std::atomic<std::uint64_t> acknowledged_{0};
  std::atomic<std::uint64_t> open_{0};
  mutable std::mutex mutex_;
  std::condition_variable progress_;
  std::vector<std::string> findings_;
  std::vector<std::thread> threads_;
};

}  // namespace kv::crash
