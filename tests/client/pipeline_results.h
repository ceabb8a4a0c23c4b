// Operations for a pipeline, and its answers as they came.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "client/pipeline.h"
#include "tests/client/fake_server.h"

namespace kv {

inline kvstore::v1::Operation set_of(const std::string& key, const std::string& value) {
  kvstore::v1::Operation operation;
  operation.mutable_set()->set_key(key);
  operation.mutable_set()->set_value(value);
  return operation;
}

inline kvstore::v1::Operation get_of(const std::string& key) {
  kvstore::v1::Operation operation;
  operation.mutable_get()->set_key(key);
  return operation;
}

// Results in the order in which they came.
class Results {
 public:
  Pipeline::Callback next() {
    return [this](Pipeline::Result result) {
      const std::scoped_lock lock(mutex_);
      results_.push_back(std::move(result));
      changed_.notify_all();
    };
  }
  std::vector<Pipeline::Result> take(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return results_.size() >= count; });
    return std::exchange(results_, {});
  }
  std::size_t size() {
    const std::scoped_lock lock(mutex_);
    return results_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Pipeline::Result> results_;
};

inline ClientOptions options_for(const FakeServer& server) {
  return {.target = server.target(), .answer_bytes_max = 64 << 20};
}

}  // namespace kv
