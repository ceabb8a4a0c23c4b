#include "tests/server/service_fixture.h"

#include <grpcpp/generic/generic_stub.h>

namespace kv {

Reply<std::string> raw_call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                            const std::string& bytes) {
  grpc::GenericStub generic(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  Reply<std::string> reply;
  auto call = generic.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  call->Finish(&response, &reply.status, &reply);
  void* tag = nullptr;
  bool ok = false;
  REQUIRE(queue.Next(&tag, &ok));
  return reply;
}

}  // namespace kv
