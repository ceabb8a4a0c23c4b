// A server in this process: the old service and the new one over one map, and failures on request; beside them the
// admin service, with answers made by the test.
//
// Threads: start(), stop() and the members from the test's thread; the calls run on gRPC's threads.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include <grpcpp/server.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "tests/client/fake_admin.h"
#include "tests/client/fake_v1.h"

namespace kv {

class FakeServer final : public kvstore::KeyValueStore::Service {
 public:
  FakeServer() { start(); }
  ~FakeServer() override { stop(); }

  void start();  // On the port of the first start.
  void stop();
  std::string target() const { return "127.0.0.1:" + std::to_string(port_); }

  // Set before the calls that shall see them.
  bool sends_trailers = true;          // false: the original server, which knows none.
  bool omits_a_key = false;            // As if one key were not UTF-8.
  bool switch_goes_on = false;         // Config answers before it is done.
  std::optional<grpc::Status> answer;  // Of every call, instead of the real one.
  bool hangs = false;                  // Until the call is given up by its caller.
  std::atomic<int> failures{0};        // So many calls fail with UNAVAILABLE first.
  FakeAdmin admin;
  FakeV1 v1{*this};

  std::map<std::string, std::string> data();
  void put(const std::string& key, const std::string& value);
  bool erase(const std::string& key);
  kvstore::ConfigRequest last_config();
  std::string last_durability();  // The metadata `kvstore-durability` of the last write.
  std::size_t calls();
  std::set<std::string> peers();  // Whose calls came: one for each connection.

  // For the services. Absent: go on with the real answer.
  std::optional<grpc::Status> intercept(grpc::ServerContext* context);

 private:
  grpc::Status Set(grpc::ServerContext* context, const kvstore::SetRequest* request,
                   google::protobuf::Empty* response) override;
  grpc::Status Get(grpc::ServerContext* context, const kvstore::GetRequest* request,
                   kvstore::GetResponse* response) override;
  grpc::Status Del(grpc::ServerContext* context, const kvstore::DelRequest* request,
                   kvstore::DelResponse* response) override;
  grpc::Status Keys(grpc::ServerContext* context, const kvstore::KeysRequest* request,
                    kvstore::KeysResponse* response) override;
  grpc::Status Config(grpc::ServerContext* context, const kvstore::ConfigRequest* request,
                      kvstore::ConfigResponse* response) override;

  void add_trailer(grpc::ServerContext* context, const std::string& name, const std::string& value) const;

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::map<std::string, std::string> data_;
  kvstore::ConfigRequest last_config_;
  std::string last_durability_;
  std::size_t calls_ = 0;
  std::set<std::string> peers_;
};

}  // namespace kv
