// The two ways in C++ that a row's calls are made: one description, run twice.
//
// Threads:  calls from any thread.
// Lifetime: goes before the server.
#pragma once

#include <memory>
#include <string>

#include "tests/rows/method.h"

namespace kv::rows {

class Target {
 public:
  virtual ~Target() = default;
  virtual Answer call(const Method& method, const google::protobuf::Message& request,
                      std::chrono::seconds patience = kPatience) = 0;
  virtual Answer raw(const std::string& path, const std::string& bytes) = 0;
  // Whether it makes only what kv::Client makes.
  virtual bool is_client() const = 0;
  // The same way to another server.
  virtual std::unique_ptr<Target> to(const std::string& address) const = 0;
};

std::unique_ptr<Target> stub_target(const std::string& address);
std::unique_ptr<Target> client_target(const std::string& address);

}  // namespace kv::rows
