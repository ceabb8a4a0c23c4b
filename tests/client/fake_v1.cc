#include "tests/client/fake_v1.h"

#include "tests/client/fake_server.h"

namespace kv {

namespace v1 = kvstore::v1;

v1::WriteOptions FakeV1::last_options() {
  const std::scoped_lock lock(mutex_);
  return last_options_;
}

std::set<std::string> FakeV1::request_ids() {
  const std::scoped_lock lock(mutex_);
  return request_ids_;
}

grpc::Status FakeV1::begin(grpc::ServerContext* context) {
  if (absent) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  return server_.intercept(context).value_or(grpc::Status::OK);
}

grpc::Status FakeV1::end(const v1::WriteOptions& options, v1::WriteResult* write) {
  last_options_ = options;
  if (!options.request_id().empty()) request_ids_.insert(options.request_id());
  write->set_durability(options.durability() == v1::DURABILITY_UNSPECIFIED ? v1::DURABILITY_DISK
                                                                           : options.durability());
  if (lost_answers == 0) return grpc::Status::OK;
  --lost_answers;
  return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the answer is lost");
}

grpc::Status FakeV1::Get(grpc::ServerContext* context, Ask<v1::GetRequest> request, v1::GetResponse* response) {
  if (grpc::Status status = begin(context); !status.ok()) return status;
  const std::scoped_lock lock(mutex_);
  const auto data = server_.data();
  const auto found = data.find(request->key());
  if (found == data.end()) return grpc::Status::OK;
  response->mutable_entry()->set_version(versions_[request->key()]);
  if (!request->omit_value()) response->mutable_entry()->set_value(found->second);
  return grpc::Status::OK;
}

grpc::Status FakeV1::Set(grpc::ServerContext* context, Ask<v1::SetRequest> request, v1::SetResponse* response) {
  if (grpc::Status status = begin(context); !status.ok()) return status;
  const std::scoped_lock lock(mutex_);
  const auto data = server_.data();
  const auto found = data.find(request->key());
  const v1::Precondition& test = request->precondition();
  const bool wrong_value = test.has_value_equals() && (found == data.end() || found->second != test.value_equals());
  const bool wrong_version = test.has_version_equals() && versions_[request->key()] != test.version_equals();
  const bool wrong_presence = test.has_exists() && test.exists() != (found != data.end());
  if (wrong_value || wrong_version || wrong_presence) {
    if (found != data.end()) response->mutable_previous()->set_value(found->second);
    if (found != data.end()) response->mutable_previous()->set_version(versions_[request->key()]);
    return grpc::Status::OK;
  }
  server_.put(request->key(), request->value());
  versions_[request->key()] = ++revision_;
  response->set_applied(true);
  response->mutable_write()->set_revision(revision_);
  return end(request->options(), response->mutable_write());
}

grpc::Status FakeV1::Delete(grpc::ServerContext* context, Ask<v1::DeleteRequest> request,
                            v1::DeleteResponse* response) {
  if (grpc::Status status = begin(context); !status.ok()) return status;
  const std::scoped_lock lock(mutex_);
  response->set_deleted(server_.erase(request->key()));
  if (response->deleted()) response->mutable_write()->set_revision(++revision_);
  versions_.erase(request->key());
  return end(request->options(), response->mutable_write());
}

}  // namespace kv
