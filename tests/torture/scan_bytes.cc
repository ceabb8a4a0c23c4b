#include "tests/torture/scan_bytes.h"

#include <stdexcept>
#include <utility>

#include <grpcpp/completion_queue.h>

namespace kv {

namespace {

// One thing at a time is under way on such a queue.
bool ended(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue.Next(&tag, &ok) && ok;
}

}  // namespace

grpc::Status ScanBytes::receive(const std::shared_ptr<grpc::Channel>& channel,
                                const kvstore::v1::ScanRequest& request) {
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareCall(&context, "/kvstore.v1.KeyValueService/Scan", &queue);
  bool own = false;
  grpc::ByteBuffer sent;
  grpc::Status status = grpc::SerializationTraits<kvstore::v1::ScanRequest>::Serialize(request, &sent, &own);
  if (!status.ok()) throw std::runtime_error("a scan's request has no bytes");
  call->StartCall(nullptr);
  ended(queue);
  call->WriteLast(sent, grpc::WriteOptions(), nullptr);
  ended(queue);
  while (true) {
    grpc::ByteBuffer chunk;
    call->Read(&chunk, nullptr);
    if (!ended(queue)) break;
    chunks_.push_back(std::move(chunk));
  }
  call->Finish(&status, nullptr);
  ended(queue);
  queue.Shutdown();
  while (ended(queue)) {
  }
  return status;
}

bool ScanBytes::next(kvstore::v1::ScanResponse& chunk) {
  if (chunks_.empty()) return false;
  grpc::ByteBuffer bytes = std::move(chunks_.front());
  chunks_.pop_front();
  chunk.Clear();
  if (!grpc::SerializationTraits<kvstore::v1::ScanResponse>::Deserialize(&bytes, &chunk).ok())
    throw std::runtime_error("a scan sent what is no message");
  return true;
}

}  // namespace kv
