// What the client adds to a write before it goes out: the level that was asked for, and a random request id, so that
// the server does the write once however often it arrives.
//
// Threads: free functions.
#pragma once

#include <concepts>
#include <string>
#include <type_traits>

#include "kvstore/v1/key_value_service.pb.h"
#include "kvstore/v1/types.pb.h"

namespace kv {

template <class Message>
concept IsWrite = requires(std::remove_cvref_t<Message>& message) {
  { message.mutable_options() } -> std::same_as<kvstore::v1::WriteOptions*>;
};

// 16 random bytes from the system.
std::string new_request_id();

// What the message says already stays.
template <class Message>
void prepare_write(Message& message, kvstore::v1::Durability durability, bool with_id) {
  kvstore::v1::WriteOptions& options = *message.mutable_options();
  if (options.durability() == kvstore::v1::DURABILITY_UNSPECIFIED) options.set_durability(durability);
  if (with_id && options.request_id().empty()) options.set_request_id(new_request_id());
}

}  // namespace kv
