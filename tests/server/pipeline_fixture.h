// A KeyValueFixture with streams of Pipeline.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/server/key_value_fixture.h"

namespace kv {

// One stream, used from one thread.
class PipelineStream {
 public:
  explicit PipelineStream(KeyValueFixture::Stub& stub) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    stream_ = stub.Pipeline(&context_);
  }
  ~PipelineStream() {
    if (stream_ != nullptr) context_.TryCancel();
    if (stream_ != nullptr) (void)stream_->Finish();
  }

  bool send(const v1::PipelineRequest& request) { return stream_->Write(request); }
  // The next answer, whichever it is.
  std::optional<v1::PipelineResponse> receive() {
    v1::PipelineResponse response;
    if (!stream_->Read(&response)) return std::nullopt;
    return response;
  }
  v1::PipelineResponse call(const v1::PipelineRequest& request) {
    REQUIRE(send(request));
    auto response = receive();
    REQUIRE(response);
    return *std::move(response);
  }
  void done() { stream_->WritesDone(); }
  // How the stream ended, once nothing more is received.
  grpc::Status finish() {
    const grpc::Status status = stream_->Finish();
    stream_.reset();
    return status;
  }
  void cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PipelineRequest, v1::PipelineResponse>> stream_;
};

// A message, step by step.
struct Message {
  explicit Message(std::uint64_t id) { request.set_id(id); }
  Message& set(const std::string& key, const std::string& value) {
    request.add_operations()->mutable_set()->set_key(key);
    last().mutable_set()->set_value(value);
    return *this;
  }
  Message& get(const std::string& key) {
    request.add_operations()->mutable_get()->set_key(key);
    return *this;
  }
  Message& remove(const std::string& key) {
    request.add_operations()->mutable_delete_()->set_key(key);
    return *this;
  }
  Message& increment(const std::string& key, std::int64_t delta) {
    request.add_operations()->mutable_increment()->set_key(key);
    last().mutable_increment()->set_delta(delta);
    return *this;
  }
  Message& append(const std::string& key, const std::string& suffix) {
    request.add_operations()->mutable_append()->set_key(key);
    last().mutable_append()->set_suffix(suffix);
    return *this;
  }
  Message& atomic() {
    request.set_atomic(true);
    return *this;
  }
  v1::Operation& last() { return *request.mutable_operations(request.operations_size() - 1); }

  v1::PipelineRequest request;
};

}  // namespace kv
