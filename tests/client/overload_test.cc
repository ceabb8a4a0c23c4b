// A server that has too much to do says when to come again, and the client does: not before, and not after its
// deadline.
#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include <catch2/catch.hpp>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "client/client.h"
#include "client/peer_status.h"
#include "client/pipeline.h"
#include "core/error.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"

using namespace kv;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

using google::protobuf::UnknownFieldSet;
namespace v1 = kvstore::v1;

std::string bytes_of(const UnknownFieldSet& fields) {
  std::string bytes;
  fields.SerializeToString(&bytes);
  return bytes;
}

std::string detail(const std::string& type, const UnknownFieldSet& message) {
  google::protobuf::Any any;
  any.set_type_url("type.googleapis.com/google.rpc." + type);
  any.set_value(bytes_of(message));
  return any.SerializeAsString();
}

grpc::Status overloaded(std::uint64_t seconds, std::uint64_t nanos) {
  UnknownFieldSet reason, delay, retry, status;
  reason.AddLengthDelimited(1, "OVERLOADED");
  reason.AddLengthDelimited(2, "kvstore");
  delay.AddVarint(1, seconds);
  delay.AddVarint(2, nanos);
  retry.AddLengthDelimited(1, bytes_of(delay));
  status.AddVarint(1, grpc::StatusCode::RESOURCE_EXHAUSTED);
  status.AddLengthDelimited(3, detail("ErrorInfo", reason));
  status.AddLengthDelimited(3, detail("RetryInfo", retry));
  return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "OVERLOADED: not now", bytes_of(status));
}

// Refuses the first calls, as a whole server or one stream, and does the others.
class BusyServer final : public v1::KeyValueService::Service {
 public:
  BusyServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
  }
  ~BusyServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  ClientOptions options() const {
    return {.target = "127.0.0.1:" + std::to_string(port_), .answer_bytes_max = 64 << 20, .request_ids = true};
  }

  std::atomic<int> refusals{0};
  grpc::Status refusal;
  std::atomic<int> calls{0};
  std::atomic<int> stored{0};

 private:
  grpc::Status answer() {
    ++calls;
    return refusals > 0 && refusals-- > 0 ? refusal : grpc::Status::OK;
  }
  grpc::Status Get(grpc::ServerContext*, const v1::GetRequest*, v1::GetResponse*) override { return answer(); }
  grpc::Status Set(grpc::ServerContext*, const v1::SetRequest*, v1::SetResponse*) override {
    grpc::Status said = answer();
    if (said.ok()) ++stored;
    return said;
  }
  grpc::Status Pipeline(grpc::ServerContext*,
                        grpc::ServerReaderWriter<v1::PipelineResponse, v1::PipelineRequest>* stream) override {
    for (v1::PipelineRequest request; stream->Read(&request);) {
      if (grpc::Status said = answer(); !said.ok()) return said;
      v1::PipelineResponse response;
      response.set_id(request.id());
      for (int i = 0; i < request.operations_size(); ++i) response.add_results()->mutable_set()->set_applied(true);
      stored += request.operations_size();
      stream->Write(response);
    }
    return grpc::Status::OK;
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

CallOptions patient() { return {.timeout = 30s, .retry = {.attempts = 4, .delay = 1ms, .delay_max = 4ms}}; }

milliseconds since(steady_clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
}

}  // namespace

TEST_CASE("overload: a read and a write with its id come again when the server has asked for it, not before") {
  BusyServer server;
  server.refusal = overloaded(0, 150'000'000);
  Client client(server.options());
  server.refusals = 2;
  const auto began = steady_clock::now();
  CHECK(wait(client.get("k", patient())).ok());
  CHECK(since(began) >= 300ms);
  CHECK(server.calls == 3);
  server.refusals = 1;
  const auto write_began = steady_clock::now();
  CHECK(wait(client.set("k", "v", patient())).ok());
  CHECK(since(write_began) >= 150ms);
  CHECK(server.calls == 5);
}

TEST_CASE("overload: a client comes as often as its policy says, and no later than its deadline") {
  BusyServer server;
  server.refusals = 100;
  server.refusal = overloaded(0, 1'000'000);
  Client persistent(server.options());
  const auto often = wait(persistent.get("k", patient()));
  CHECK(has_reason(often.status(), Reason::kOverloaded));
  CHECK(server.calls == 4);
  server.refusal = overloaded(60, 0);
  Client client(server.options());                     // Whose trust is whole.
  const auto late = wait(client.get("k", patient()));  // A minute is more than its 30 seconds.
  CHECK(has_reason(late.status(), Reason::kOverloaded));
  CHECK(retry_after(late.status()) == 60s);
  CHECK(server.calls == 5);
}

TEST_CASE("overload: a write that could be done twice is not repeated, and surely was not done") {
  BusyServer server;
  ClientOptions options = server.options();
  options.request_ids = false;
  Client client(options);
  server.refusals = 1;
  server.refusal = overloaded(0, 1'000'000);
  const auto refused = wait(client.set("k", "v", patient()));
  CHECK(has_reason(refused.status(), Reason::kOverloaded));
  CHECK_FALSE(outcome_unknown(refused.status()));
  CHECK(server.calls == 1);
}

TEST_CASE("overload: a call that the server's library cut off comes again, and without an id it is in doubt") {
  BusyServer server;
  server.refusal = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "Received RST_STREAM with error code 11");
  Client client(server.options());
  server.refusals = 1;
  CHECK(wait(client.set("k", "v", patient())).ok());
  CHECK(server.calls == 2);
  ClientOptions options = server.options();
  options.request_ids = false;
  Client doubtful(options);
  server.refusals = 1;
  const auto cut = wait(doubtful.set("k", "v", patient()));
  CHECK(cut.status().code() == absl::StatusCode::kResourceExhausted);
  CHECK(outcome_unknown(cut.status()));
  CHECK(server.calls == 3);
  // Was it the request, or the answer to what was done? The library's words are the same.
  server.refusal = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 8)");
  server.refusals = 1;
  CHECK(outcome_unknown(wait(doubtful.set("k", "v", patient())).status()));
  server.refusal = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "Sent message larger than max (9 vs. 8)");
  server.refusals = 1;
  CHECK_FALSE(outcome_unknown(wait(doubtful.set("k", "v", patient())).status()));
}

TEST_CASE("overload: a pipeline whose stream the server's library cut off sends the rest again") {
  BusyServer server;
  Client client(server.options());
  server.refusals = 1;
  server.refusal = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "Received RST_STREAM with error code 11");
  PipelineOptions options;
  options.call = patient();
  Pipeline pipeline(client, options);
  kvstore::v1::Operation operation;
  operation.mutable_set()->set_key("k");
  operation.mutable_set()->set_value("v");
  CHECK(wait(pipeline.call(operation)).ok());
  CHECK(server.stored == 1);
  CHECK(server.calls == 2);
}

TEST_CASE("overload: a pipeline whose stream was refused sends the rest again when the server has asked for it") {
  BusyServer server;
  Client client(server.options());
  server.refusals = 1;
  server.refusal = overloaded(0, 150'000'000);
  PipelineOptions options;
  options.call = patient();
  Pipeline pipeline(client, options);
  kvstore::v1::Operation operation;
  operation.mutable_set()->set_key("k");
  operation.mutable_set()->set_value("v");
  const auto began = steady_clock::now();
  CHECK(wait(pipeline.call(operation)).ok());
  CHECK(since(began) >= 150ms);
  CHECK(server.stored == 1);
  CHECK(server.calls == 2);
}

TEST_CASE("overload: a delay that makes no sense is cut to what does") {
  CHECK(retry_after(status_of_peer(overloaded(0, 1))) == 1ms);
  CHECK(retry_after(status_of_peer(overloaded(1'000'000'000'000, 0))) == 1h);
  CHECK(retry_after(status_of_peer(overloaded(static_cast<std::uint64_t>(-5), 0))) == 1h);
  CHECK_FALSE(retry_after(status_of_peer(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "OVERLOADED: x"))));
}
