#include "stream_service.h"

#include <sstream>

#include <grpcpp/channel.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_service_method.h>

#include "core/error.h"

namespace kv {
namespace {

constexpr char kCount[] = "/test.Streams/Count";

}  // namespace

StreamService::Methods::Methods() {
  AddMethod(new grpc::internal::RpcServiceMethod(kCount, grpc::internal::RpcMethod::SERVER_STREAMING, nullptr));
  MarkMethodRaw(0);
}

void StreamService::Methods::request_count(grpc::ServerContext* context, grpc::ByteBuffer* bytes,
                                           grpc::ServerAsyncWriter<grpc::ByteBuffer>* writer,
                                           grpc::CompletionQueue* call_queue, grpc::ServerCompletionQueue* queue,
                                           void* tag) {
  RequestAsyncServerStreaming(0, context, bytes, writer, call_queue, queue, tag);
}

void StreamService::listen(Reactor& reactor) {
  serve_stream<kvstore::GetRequest, Methods>(
      reactor, &kCount[1], methods_, &Methods::request_count,
      [this](ServerStream& stream, kvstore::GetRequest& request) { return count(stream, request); });
}

std::unique_ptr<grpc::ClientReader<kvstore::GetResponse>> StreamService::open(grpc::Channel& channel,
                                                                              grpc::ClientContext& context,
                                                                              const std::string& key) {
  kvstore::GetRequest request;
  request.set_key(key);
  const grpc::internal::RpcMethod method(kCount, grpc::internal::RpcMethod::SERVER_STREAMING);
  using Factory = grpc::internal::ClientReaderFactory<kvstore::GetResponse>;
  return std::unique_ptr<grpc::ClientReader<kvstore::GetResponse>>(
      Factory::Create(&channel, method, &context, request));
}

Task<absl::Status> StreamService::count(ServerStream& stream, const kvstore::GetRequest& request) {
  absl::Status end = co_await send_all(stream, request);
  {
    const std::lock_guard lock(mutex_);
    last_end_ = reason_of(end);
  }
  ++ended;
  co_return end;
}

Task<absl::Status> StreamService::send_all(ServerStream& stream, const kvstore::GetRequest& request) {
  std::istringstream words(request.key());
  std::string word = "send";
  if (!std::isdigit(request.key()[0])) words >> word;
  std::uint64_t messages = 0;
  std::size_t bytes = 0;
  words >> messages >> bytes;
  kvstore::GetResponse message;
  for (std::uint64_t i = 0; i < messages; ++i) {
    if (word == "park") co_await lot.park(stream.home());
    message.set_value(std::to_string(i) + " " + std::string(bytes, 'm'));
    const absl::Status left = co_await stream.send(message);
    if (!left.ok()) co_return left;
    ++sent;
  }
  stream.add_trailer("messages", std::to_string(messages));
  if (word == "fail") co_return error(Reason::kKeyTooLarge, "as was asked");
  co_return absl::OkStatus();
}

std::string StreamService::last_end() const {
  const std::lock_guard lock(mutex_);
  return last_end_;
}

}  // namespace kv
