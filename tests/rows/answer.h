// What a call brought back, whichever way it was made.
// Threads: plain data.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <google/protobuf/message.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace kv::rows {

struct Answer {
  std::string code = "OK";
  std::string reason;
  std::string message;
  std::map<std::string, std::string> facts;
  std::unique_ptr<google::protobuf::Message> response;  // when OK; of a stream also what came before its refusal
  bool partial = false;                                 // the way it was made hides `id` and `write` of the response
};

// What generated code gets, with its details read by protobuf itself.
Answer answer_of(const grpc::Status& status, std::unique_ptr<google::protobuf::Message> response);
// What kv::Client gives.
Answer answer_of(const absl::Status& status, std::unique_ptr<google::protobuf::Message> response);

// Whether it is the one that a row has, with everything in `expected` substituted; "" or what is wrong with it.
std::string difference(const std::string& expected, const Answer& answer);

// One line for people.
std::string text_of(const Answer& answer);

}  // namespace kv::rows
