// A scan's answers as they came, to be read when nobody is measured any more.
//
// A client that decodes as it reads computes as much as the server does for it, and takes from the writers on its
// machine what a client elsewhere would not. This one only receives.
//
// Threads: one. Errors: those of the call; the messages that came before are there.
#pragma once

#include <deque>
#include <memory>

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>

#include "kvstore/v1/key_value_service.grpc.pb.h"

namespace kv {

class ScanBytes {
 public:
  // Returns at the end of the call.
  grpc::Status receive(const std::shared_ptr<grpc::Channel>& channel, const kvstore::v1::ScanRequest& request);
  // The next message; false after the last one. Throws on bytes that are none.
  bool next(kvstore::v1::ScanResponse& chunk);

 private:
  std::deque<grpc::ByteBuffer> chunks_;
};

}  // namespace kv
