// The calls that rows make, by name: what a request of each is, and how it is made through generated stubs and through
// kv::Client. A stream is one answer here: of a Scan all entries, in the order of their keys, and the last token; of a
// Pipeline the answer to one message on a stream of its own.
//
// Threads: constant data; calls from any thread, one at a time through one Stubs.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include "client/client.h"
#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/admin_service.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/rows/answer.h"

namespace kv::rows {

// How long a caller waits whom a row does not call brief.
inline constexpr std::chrono::seconds kPatience{60};

// The generated stubs of one connection.
struct Stubs {
  explicit Stubs(const std::string& address);

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<kvstore::v1::KeyValueService::Stub> keys;
  std::unique_ptr<kvstore::v1::AdminService::Stub> admin;
  std::unique_ptr<kvstore::KeyValueStore::Stub> old;
};

struct Method {
  using Message = google::protobuf::Message;

  std::string name;  // as rows have it
  std::unique_ptr<Message> (*request)();
  Answer (*through_stubs)(Stubs&, const Message&, std::chrono::seconds patience);
  Answer (*through_client)(Client&, const Message&, std::chrono::seconds patience);
};

const std::vector<Method>& all_methods();
// std::runtime_error when there is none.
const Method& method_of(const std::string& name);

// The path of the method, which the server knows or not: "Set" is "/kvstore.v1.KeyValueService/Set".
std::string path_of(const std::string& name);

// Any bytes as the request of a method; the answer's response is empty. kv::Client has messages only: it sends the
// bytes as fields that it does not know, so they must be fields on the outside.
Answer raw_through_stubs(Stubs& stubs, const std::string& path, const std::string& bytes);
Answer raw_through_client(Client& client, const std::string& path, const std::string& bytes);

}  // namespace kv::rows
