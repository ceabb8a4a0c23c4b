// The two messages of grpc.health.v1, by hand: one text in, one number out.
#pragma once

#include <string>

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"

namespace kv {

// Values of grpc.health.v1.HealthCheckResponse.ServingStatus.
enum class Health : unsigned char { kServing = 1, kNotServing = 2, kUnknownService = 3 };

struct HealthRequest {
  std::string service;
};

bool parse(grpc::ByteBuffer& bytes, HealthRequest& request);
[[gnu::cold]] absl::Status unparsable(const HealthRequest& request);
absl::Status serialize(Health health, grpc::ByteBuffer& bytes);

}  // namespace kv
