#include "tests/client/fake_server.h"

#include <chrono>
#include <stdexcept>
#include <thread>

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>

namespace kv {

void FakeServer::start() {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(-1);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(this);
  builder.RegisterService(&admin);
  builder.RegisterService(&v1);
  server_ = builder.BuildAndStart();
  if (!server_) throw std::runtime_error("the fake server cannot bind");
  port_ = port;
}

void FakeServer::stop() {
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

std::map<std::string, std::string> FakeServer::data() {
  const std::scoped_lock lock(mutex_);
  return data_;
}

void FakeServer::put(const std::string& key, const std::string& value) {
  const std::scoped_lock lock(mutex_);
  data_[key] = value;
}

bool FakeServer::erase(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  return data_.erase(key) > 0;
}

kvstore::ConfigRequest FakeServer::last_config() {
  const std::scoped_lock lock(mutex_);
  return last_config_;
}

std::string FakeServer::last_durability() {
  const std::scoped_lock lock(mutex_);
  return last_durability_;
}

std::size_t FakeServer::calls() {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

std::set<std::string> FakeServer::peers() {
  const std::scoped_lock lock(mutex_);
  return peers_;
}

std::optional<grpc::Status> FakeServer::intercept(grpc::ServerContext* context) {
  {
    const std::scoped_lock lock(mutex_);
    ++calls_;
    peers_.insert(context->peer());
    const auto level = context->client_metadata().find("kvstore-durability");
    last_durability_ =
        level == context->client_metadata().end() ? "" : std::string(level->second.data(), level->second.size());
  }
  while (hangs && !context->IsCancelled()) std::this_thread::yield();
  if (hangs) return grpc::Status::CANCELLED;
  if (failures > 0) {
    --failures;
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now");
  }
  return answer;
}

void FakeServer::add_trailer(grpc::ServerContext* context, const std::string& name, const std::string& value) const {
  const bool wanted = context->client_metadata().count("kvstore-want-trailers") > 0;
  if (sends_trailers && wanted) context->AddTrailingMetadata(name, value);
}

grpc::Status FakeServer::Set(grpc::ServerContext* context, const kvstore::SetRequest* request,
                             google::protobuf::Empty*) {
  if (auto status = intercept(context)) return *status;
  const std::scoped_lock lock(mutex_);
  data_[request->key()] = request->value();
  add_trailer(context, "kvstore-revision", "7");
  add_trailer(context, "kvstore-durability", "disk");
  return grpc::Status::OK;
}

grpc::Status FakeServer::Get(grpc::ServerContext* context, const kvstore::GetRequest* request,
                             kvstore::GetResponse* response) {
  if (auto status = intercept(context)) return *status;
  const std::scoped_lock lock(mutex_);
  const auto found = data_.find(request->key());
  if (found != data_.end()) response->set_value(found->second);
  add_trailer(context, "kvstore-found", found != data_.end() ? "1" : "0");
  return grpc::Status::OK;
}

grpc::Status FakeServer::Del(grpc::ServerContext* context, const kvstore::DelRequest* request,
                             kvstore::DelResponse* response) {
  if (auto status = intercept(context)) return *status;
  const std::scoped_lock lock(mutex_);
  response->set_success(data_.erase(request->key()) > 0);
  add_trailer(context, "kvstore-revision", "8");
  return grpc::Status::OK;
}

grpc::Status FakeServer::Keys(grpc::ServerContext* context, const kvstore::KeysRequest*,
                              kvstore::KeysResponse* response) {
  if (auto status = intercept(context)) return *status;
  const std::scoped_lock lock(mutex_);
  for (auto entry = data_.rbegin(); entry != data_.rend(); ++entry) response->add_keys(entry->first);
  if (omits_a_key) context->AddTrailingMetadata("kvstore-omitted-keys", "1");
  return grpc::Status::OK;
}

grpc::Status FakeServer::Config(grpc::ServerContext* context, const kvstore::ConfigRequest* request,
                                kvstore::ConfigResponse* response) {
  if (auto status = intercept(context)) return *status;
  const std::scoped_lock lock(mutex_);
  last_config_ = *request;
  response->set_success(true);
  if (switch_goes_on) context->AddTrailingMetadata("kvstore-transition", "dual");
  return grpc::Status::OK;
}

}  // namespace kv
