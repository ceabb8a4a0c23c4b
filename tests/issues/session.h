// What the stories in this folder are told with: a server on a data directory of its own and an old client, each step
// one verb. A verb that does not succeed fails the test at once, with the status in words.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

namespace kv {

// The client of the original, call for call; only its deadline is longer, because test machines are slow.
class LegacyClient {
 public:
  explicit LegacyClient(const std::string& address);

  grpc::Status set(const std::string& key, const std::string& value);
  grpc::Status get(const std::string& key, std::string& value);
  grpc::Status del(const std::string& key, bool& existed);
  grpc::Status keys(std::vector<std::string>& sorted_keys);
  // Answers when the mode's promise holds.
  grpc::Status config(kvstore::StorageMode mode, int interval_seconds = 0, int snapshots_max = 0,
                      std::int64_t log_bytes_max = 0);
  kvstore::KeyValueStore::Stub& stub() { return *stub_; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<kvstore::KeyValueStore::Stub> stub_;
};

class Session {
 public:
  // A stop may take a minute unless the flags say otherwise.
  explicit Session(std::vector<std::string> flags = {}, std::map<std::string, std::string> environment = {});

  void set(const std::string& key, const std::string& value);
  std::string get(const std::string& key);  // "" for a missing key, as the original says it
  bool del(const std::string& key);
  std::vector<std::string> keys();
  void config(kvstore::StorageMode mode, int interval_seconds = 0, int snapshots_max = 0,
              std::int64_t log_bytes_max = 0);

  void kill();   // SIGKILL
  void start();  // after kill() or a stop, on the same data
  void kill_and_start();
  void stop();  // SIGTERM; must exit 0
  void stop_and_start();

  // Waits until a snapshot of everything written so far is complete (SIGUSR1).
  void take_snapshot();
  std::vector<std::string> snapshots() const;  // file names
  std::vector<std::string> segments() const;
  std::string path(const std::string& name) const { return directory_.file("data/" + name); }
  std::string manifest() const;
  std::string mode() const;  // as MANIFEST has it

  RunningServer& server() { return server_; }
  LegacyClient& client() { return *client_; }

 private:
  TempDirectory directory_;
  RunningServer server_;
  std::optional<LegacyClient> client_;
};

std::string read_all(const std::string& path);
void write_all(const std::string& path, const std::string& bytes);

}  // namespace kv
