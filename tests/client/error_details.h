// The `grpc-status-details-bin` of a refusal, made by protobuf itself: it has no part in how a server of ours writes
// it.
//
// Threads: free functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/any.pb.h>
#include <google/protobuf/unknown_field_set.h>

namespace kv {

using Facts = std::vector<std::pair<std::string, std::string>>;

// google.rpc.Status with one ErrorInfo, as a server of ours attaches it.
inline std::string details_with(const std::string& reason, const std::string& domain, const Facts& facts = {}) {
  google::protobuf::UnknownFieldSet info;
  info.AddLengthDelimited(1, reason);
  info.AddLengthDelimited(2, domain);
  for (const auto& [name, value] : facts) {
    google::protobuf::UnknownFieldSet entry;
    entry.AddLengthDelimited(1, name);
    entry.AddLengthDelimited(2, value);
    entry.SerializeToString(info.AddLengthDelimited(3));
  }
  google::protobuf::Any any;
  any.set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  info.SerializeToString(any.mutable_value());
  google::protobuf::UnknownFieldSet status;
  status.AddVarint(1, 3);
  status.AddLengthDelimited(3, any.SerializeAsString());
  std::string bytes;
  status.SerializeToString(&bytes);
  return bytes;
}

}  // namespace kv
