// Streams of raw messages, with a handler that says when its answers are there. What Pipeline makes of them is in
// tests/server.
#include "rpc/message_stream.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include <catch2/catch.hpp>
#include <grpcpp/create_channel.h>

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "rpc/rpc_service.h"
#include "rpc/server.h"
#include "running_rpc.h"
#include "tests/support/packed_message.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;
using namespace std::chrono_literals;

// To each message two answers with its id. No event comes between them, so they are handed over together.
class TwiceService final : public RpcService {
 public:
  using Raw = v1::KeyValueService::WithRawMethod_Pipeline<v1::KeyValueService::Service>;

  grpc::Service& grpc_service() noexcept override { return raw_; }
  void listen(Reactor& reactor) override {
    serve_messages<Raw>(reactor, "kvstore.v1.KeyValueService/Pipeline", raw_, &Raw::RequestPipeline, StreamBounds(),
                        [this](MessageStream& stream) { return answer_twice(stream); });
  }
  std::atomic<std::size_t> bytes_held{0};  // by the server, when the last message had been read

 private:
  Task<absl::Status> answer_twice(MessageStream& stream) {
    WireMessage message;
    for (;;) {
      const bool there = co_await stream.read(message);
      if (!there) co_return absl::OkStatus();
      bytes_held = stream.home().bytes().held();
      v1::PipelineRequest request;
      if (!request.ParseFromString(std::string(message.bytes()))) co_return unparsable(message);
      v1::PipelineResponse response;
      response.set_id(request.id());
      grpc::ByteBuffer answer;
      const absl::Status written = serialize(response, answer);
      if (!written.ok()) co_return written;
      for (int i = 0; i < 2; ++i) stream.promise();
      for (int i = 0; i < 2; ++i) stream.send(answer);
    }
  }

  Raw raw_;
};

TEST_CASE("message stream: answers that leave together all come, the first ones of their stream too") {
  TwiceService service;
  RpcServer server(small_options(), {&service});
  REQUIRE(server.start().ok());
  const auto channel = grpc::CreateChannel(server.addresses().front(), grpc::InsecureChannelCredentials());
  const auto stub = v1::KeyValueService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 10s);
  const auto stream = stub->Pipeline(&context);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    v1::PipelineRequest request;
    request.set_id(id);
    REQUIRE(stream->Write(request));
    for (int i = 0; i < 2; ++i) {
      INFO("message " << id << ", answer " << i);
      v1::PipelineResponse answer;
      REQUIRE(stream->Read(&answer));
      CHECK(answer.id() == id);
    }
  }
  stream->WritesDone();
  CHECK(stream->Finish().ok());
}

TEST_CASE(
    "message stream: a compressed message counts with what it unpacks to, and one that is broken ends the stream") {
  TwiceService service;
  RpcServer server(small_options(), {&service});
  REQUIRE(server.start().ok());
  const auto channel = grpc::CreateChannel(server.addresses().front(), grpc::InsecureChannelCredentials());
  const std::string method = "/kvstore.v1.KeyValueService/Pipeline";
  v1::PipelineRequest request;
  request.set_id(7);
  request.mutable_options()->set_request_id(std::string(100'000, 'i'));
  const std::string bytes = request.SerializeAsString();
  const PackedReply reply = call_packed(channel, method, packed(bytes, GRPC_COMPRESS_GZIP), GRPC_COMPRESS_GZIP);
  REQUIRE(reply.status.ok());
  v1::PipelineResponse answer;
  REQUIRE(answer.ParseFromString(reply.answer));
  CHECK(answer.id() == 7);
  CHECK(service.bytes_held == bytes.size());
  const PackedReply broken = call_packed(channel, method, "no such thing", GRPC_COMPRESS_GZIP);
  CHECK(broken.status.error_message().starts_with("MESSAGE_INVALID: "));
}

}  // namespace
}  // namespace kv
