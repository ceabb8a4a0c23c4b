#include "client/endpoint.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

namespace kv {
namespace {

// While a stream is open: a peer that vanished is noticed, and what stands between does not forget the connection.
constexpr int kPingMillis = 30'000;
constexpr int kPingAnswerMillis = 10'000;

}  // namespace

grpc::ChannelArguments channel_arguments(std::size_t answer_bytes_max) {
  grpc::ChannelArguments arguments;
  constexpr std::size_t kMost = std::numeric_limits<int>::max();
  arguments.SetMaxReceiveMessageSize(static_cast<int>(std::min(answer_bytes_max, kMost)));
  arguments.SetMaxSendMessageSize(-1);
  // A store is reached directly, whatever web proxy the environment names.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Channels to one address share a connection through the global pool, and would inherit its back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerMillis);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // The library stops after two otherwise.
  // What is made again, and when, is decided here and not in the library (client/retry.h).
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetUserAgentPrefix("kvstore_client/" KV_VERSION);
  return arguments;
}

Endpoint::Endpoint(std::string target, ClientQueue& queue, std::size_t answer_bytes_max)
    : target_(std::move(target)), queue_(queue), answer_bytes_max_(answer_bytes_max), channel_(open()) {}

std::shared_ptr<grpc::Channel> Endpoint::open() const {
  return grpc::CreateCustomChannel(target_, grpc::InsecureChannelCredentials(), channel_arguments(answer_bytes_max_));
}

std::shared_ptr<grpc::Channel> Endpoint::channel() {
  const std::scoped_lock lock(mutex_);
  if (channel_->GetState(false) == GRPC_CHANNEL_TRANSIENT_FAILURE) channel_ = open();
  return channel_;
}

void Endpoint::reopen(std::size_t answer_bytes_max) {
  const std::scoped_lock lock(mutex_);
  answer_bytes_max_ = answer_bytes_max;
  channel_ = open();
}

}  // namespace kv
