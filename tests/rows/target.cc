#include "tests/rows/target.h"

namespace kv::rows {
namespace {

class StubTarget final : public Target {
 public:
  explicit StubTarget(const std::string& address) : stubs_(address) {}
  Answer call(const Method& method, const google::protobuf::Message& request, std::chrono::seconds patience) override {
    return method.through_stubs(stubs_, request, patience);
  }
  Answer raw(const std::string& path, const std::string& bytes) override {
    return raw_through_stubs(stubs_, path, bytes);
  }
  bool is_client() const override { return false; }
  std::unique_ptr<Target> to(const std::string& address) const override { return stub_target(address); }

 private:
  Stubs stubs_;
};

class ClientTarget final : public Target {
 public:
  // Without ids of its own: a write with an id that changes nothing takes a revision, and the row counts them.
  explicit ClientTarget(const std::string& address) : client_({.target = address, .request_ids = false}) {}
  Answer call(const Method& method, const google::protobuf::Message& request, std::chrono::seconds patience) override {
    return method.through_client(client_, request, patience);
  }
  Answer raw(const std::string& path, const std::string& bytes) override {
    return raw_through_client(client_, path, bytes);
  }
  bool is_client() const override { return true; }
  std::unique_ptr<Target> to(const std::string& address) const override { return client_target(address); }

 private:
  Client client_;
};

}  // namespace

std::unique_ptr<Target> stub_target(const std::string& address) { return std::make_unique<StubTarget>(address); }
std::unique_ptr<Target> client_target(const std::string& address) { return std::make_unique<ClientTarget>(address); }

}  // namespace kv::rows
