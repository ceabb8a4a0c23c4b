// One connection to the server: a channel that shares nothing with any other, and the queue its calls resume on.
//
// Hard part: a server that is away and comes back. gRPC's channel remembers its failures and waits ever longer between
// attempts; a person or a retry that asks now wants it tried now. So a channel that failed is replaced by a new one
// when the next call asks for it; calls that are under way keep the old one alive.
//
// Threads:  any. Lifetime: the queue outlives the endpoint.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "client/client_queue.h"

namespace kv {

// Of every channel to a server.
grpc::ChannelArguments channel_arguments(std::size_t answer_bytes_max);

class Endpoint {
 public:
  Endpoint(std::string target, ClientQueue& queue, std::size_t answer_bytes_max);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // The channel to try now: it is ready, or on its way, or has never been tried.
  std::shared_ptr<grpc::Channel> channel();
  // Calls from now on go through a new connection that takes messages of this size.
  void reopen(std::size_t answer_bytes_max);

  ClientQueue& queue() noexcept { return queue_; }
  const std::string& target() const noexcept { return target_; }

 private:
  std::shared_ptr<grpc::Channel> open() const;

  const std::string target_;
  ClientQueue& queue_;

  std::mutex mutex_;
  std::size_t answer_bytes_max_;            // guarded by mutex_
  std::shared_ptr<grpc::Channel> channel_;  // guarded by mutex_
};

}  // namespace kv
