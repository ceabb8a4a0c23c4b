// A service with one method, test.Streams/Count, whose answer is a stream: the request's key says how many messages of
// how many bytes, as "3 1024"; "park 3 10" waits in the lot before each one, and "fail 3 10" ends with an error.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/sync_stream.h>

#include "kvstore/kvstore.pb.h"
#include "parking_lot.h"
#include "rpc/rpc_service.h"
#include "rpc/server_stream.h"

namespace kv {

class StreamService final : public RpcService {
 public:
  grpc::Service& grpc_service() noexcept override { return methods_; }
  void listen(Reactor& reactor) override;

  // A stream on the channel, to be read from.
  static std::unique_ptr<grpc::ClientReader<kvstore::GetResponse>> open(grpc::Channel& channel,
                                                                        grpc::ClientContext& context,
                                                                        const std::string& key);

  ParkingLot lot;
  std::atomic<std::uint64_t> sent{0};  // messages that have left, of all streams
  std::atomic<int> ended{0};           // handlers that have ended
  // How the last handler ended: a reason word, or "" for OK.
  std::string last_end() const;

 private:
  struct Methods final : grpc::Service {
    Methods();
    void request_count(grpc::ServerContext* context, grpc::ByteBuffer* bytes,
                       grpc::ServerAsyncWriter<grpc::ByteBuffer>* writer, grpc::CompletionQueue* call_queue,
                       grpc::ServerCompletionQueue* queue, void* tag);
  };

  Task<absl::Status> count(ServerStream& stream, const kvstore::GetRequest& request);
  Task<absl::Status> send_all(ServerStream& stream, const kvstore::GetRequest& request);

  Methods methods_;
  mutable std::mutex mutex_;
  std::string last_end_;
};

}  // namespace kv
