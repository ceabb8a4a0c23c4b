// Answers dropped, requests sent twice, kills in between: what was asked for once has happened once.
#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/support/running_server.h"
#include "tests/support/server_place.h"
#include "tests/support/temp_directory.h"

using namespace kv;
namespace v1 = kvstore::v1;

namespace {

constexpr int kClients = 4;
constexpr int kIncrements = 150;  // of each client
constexpr int kKills = 4;
constexpr std::size_t kCounters = 3;

struct Progress {
  std::mutex mutex;
  std::condition_variable changed;
  int done = 0;
  std::array<std::vector<std::int64_t>, kCounters> values;  // that clients were told, of each counter
  int replayed = 0;
  std::string wrong;

  void wait_for(int count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done >= count || !wrong.empty(); });
  }
  void note(std::size_t counter, const v1::IncrementResponse& answer) {
    const std::lock_guard lock(mutex);
    values[counter].push_back(answer.value());
    replayed += answer.write().replayed() ? 1 : 0;
    ++done;
    changed.notify_all();
  }
  void fail(std::string why) {
    const std::lock_guard lock(mutex);
    wrong = std::move(why);
    changed.notify_all();
  }
};

class Client {
 public:
  Client(unsigned seed, ServerPlace& place, Progress& progress) : random_(seed), place_(place), progress_(progress) {}

  void run() {
    for (int i = 0; i < kIncrements; ++i) {
      const std::size_t counter = random_() % kCounters;
      v1::IncrementRequest request;
      request.set_key("counter " + std::to_string(counter));
      request.set_delta(1);
      std::string id(16, '\0');
      for (char& byte : id) byte = static_cast<char>(random_());
      request.mutable_options()->set_request_id(id);
      v1::IncrementResponse answer;
      if (!until_answered(request, answer)) return;
      progress_.note(counter, answer);
      if (random_() % 4 != 0) continue;
      v1::IncrementResponse again;  // as a network would that delivers twice
      if (!until_answered(request, again)) return;
      if (again.value() != answer.value() || again.write().revision() != answer.write().revision() ||
          !again.write().replayed())
        return progress_.fail("a retry was answered " + again.ShortDebugString() + " after " +
                              answer.ShortDebugString());
    }
  }

 private:
  bool until_answered(const v1::IncrementRequest& request, v1::IncrementResponse& answer) {
    while (true) {
      const ServerPlace::At at = place_.now();
      if (at.start != connected_) {
        grpc::ChannelArguments own;
        own.SetInt("grpc.use_local_subchannel_pool", 1);
        stub_ = v1::KeyValueService::NewStub(
            grpc::CreateCustomChannel(at.address, grpc::InsecureChannelCredentials(), own));
        connected_ = at.start;
      }
      grpc::ClientContext context;
      // Some do not wait for the answer, though the server may be at it.
      const bool impatient = random_() % 4 == 0;
      context.set_deadline(std::chrono::system_clock::now() +
                           (impatient ? std::chrono::microseconds(random_() % 3000) : std::chrono::seconds(30)));
      const grpc::Status status = stub_->Increment(&context, request, &answer);
      if (status.ok()) return true;
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
        if (!place_.next(at.start)) return false;
      } else if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED &&
                 status.error_code() != grpc::StatusCode::CANCELLED) {
        progress_.fail(status.error_message());
        return false;
      }
    }
  }

  std::mt19937 random_;
  ServerPlace& place_;
  Progress& progress_;
  std::unique_ptr<v1::KeyValueService::Stub> stub_;
  int connected_ = 0;
};

// Ends with the test, whatever ends that.
class Clients {
 public:
  Clients(ServerPlace& place, Progress& progress) : place_(place) {
    for (unsigned seed = 1; seed <= kClients; ++seed) {
      threads_.emplace_back([&, seed] { Client(seed, place, progress).run(); });
    }
  }
  ~Clients() {
    place_.close();
    join();
  }
  void join() {
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

 private:
  ServerPlace& place_;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("exactly once: counters are exact though answers are dropped, requests sent twice and the server killed") {
  const std::string mode = GENERATE("AOF", "HYBRID");
  TempDirectory directory;
  // A small log and frequent snapshots, so that ids are found in both.
  RunningServer server({.data_directory = directory.file("data"),
                        .flags = {"--mode", mode, "--snapshot-interval", "1s", "--log-rewrite-min-size", "1B"},
                        .environment = {},
                        .wrapper = {}});
  ServerPlace place;
  place.move(server.address());
  Progress progress;
  Clients clients(place, progress);
  for (int kill = 1; kill <= kKills; ++kill) {
    progress.wait_for(kill * kClients * kIncrements / (kKills + 1));
    server.kill();
    server.start();
    place.move(server.address());
  }
  clients.join();

  CHECK(progress.wrong.empty());
  CHECK(progress.done == kClients * kIncrements);
  for (std::vector<std::int64_t>& told : progress.values) {
    // Every number once: no increment was lost, none counted twice, none told to two.
    std::sort(told.begin(), told.end());
    for (std::size_t i = 0; i < told.size(); ++i) CHECK(told[i] == static_cast<std::int64_t>(i) + 1);
  }
  CHECK(server.stop() == 0);
}
