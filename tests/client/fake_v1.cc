#include "tests/client/fake_v1.h"

#include <thread>

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

std::vector<int> FakeV1::message_sizes() {
  const std::scoped_lock lock(mutex_);
  return message_sizes_;
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

grpc::Status FakeV1::carry_out(grpc::ServerContext* context, const v1::Operation& operation,
                               v1::OperationResult& result) {
  if (operation.has_get()) return Get(context, &operation.get(), result.mutable_get());
  if (operation.has_set()) return Set(context, &operation.set(), result.mutable_set());
  if (operation.has_delete_()) return Delete(context, &operation.delete_(), result.mutable_delete_());
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "FIELD_INVALID: not of this fake");
}

grpc::Status FakeV1::Pipeline(grpc::ServerContext* context,
                              grpc::ServerReaderWriter<v1::PipelineResponse, v1::PipelineRequest>* stream) {
  if (absent) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  for (const bool for_good = deaf; for_good && !context->IsCancelled();) std::this_thread::yield();
  for (v1::PipelineRequest request; stream->Read(&request);) {
    {
      const std::scoped_lock lock(mutex_);
      message_sizes_.push_back(request.operations_size());
    }
    while (holds_messages && !context->IsCancelled()) std::this_thread::yield();
    v1::PipelineResponse response;
    response.set_id(request.id());
    for (const v1::Operation& operation : request.operations()) {
      v1::OperationResult& result = *response.add_results();
      const grpc::Status status = carry_out(context, operation, result);
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return status;  // Of the stream.
      if (status.ok()) continue;
      const std::string text = status.error_message();
      result.mutable_error()->set_code(status.error_code());
      result.mutable_error()->set_reason(text.substr(0, text.find(':')));
      result.mutable_error()->set_message(text);
    }
    if (spoils) spoils(response);
    stream->Write(response);
  }
  return grpc::Status::OK;
}

}  // namespace kv
