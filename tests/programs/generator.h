// Random operations of kvstore.v1 on a few keys, and random choices among what a program has seen.
//
// Threads: one. Everything is fixed by the seed and by what the server answered.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "kvstore/v1/key_value_service.pb.h"
#include "tests/programs/model.h"

namespace kv::programs {

class Generator {
 public:
  // Keys are `prefix` and a few bytes.
  Generator(std::uint64_t seed, std::string prefix) : random_(seed), prefix_(std::move(prefix)) {}

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool one_in(std::uint64_t bound) { return below(bound) == 0; }
  std::string request_id();
  std::string key();
  const std::string& prefix() const { return prefix_; }

  // `model` is what there is: conditions then hold about as often as not.
  v1::Operation operation(const Model& model);
  v1::Precondition precondition(const Model& model, const std::string& key);

 private:
  std::string value();
  std::int64_t number();
  v1::Expiry expiry(bool may_keep);

  std::mt19937_64 random_;
  const std::string prefix_;
};

// The key that the operation is about.
const std::string& key_of(const v1::Operation& operation);
bool writes(const v1::Operation& operation);
// Where its options are; null for a Get.
v1::WriteOptions* options_of(v1::Operation& operation);

}  // namespace kv::programs
