// Operations as calls of the client library: unary ones, and MultiGet and Scan, which answer with a stream.
//
// Threads, lifetime, errors: bench/caller.h.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "bench/caller.h"
#include "client/client.h"

namespace kv {

class UnaryCaller final : public Caller {
 public:
  UnaryCaller(const CallerOptions& options, const Filler& filler);

  void begin(std::unique_ptr<Shot> shot, ShotSink& sink) override;

 private:
  Detached carry_out(std::unique_ptr<Shot> shot, ShotSink& sink);
  Detached carry_out_all(std::unique_ptr<Shot> shot, ShotSink& sink);
  Task<LoadAnswer> answer_to(LoadOperation operation);
  Task<LoadAnswer> read(LoadOperation operation);
  Task<LoadAnswer> write(LoadOperation operation);
  Task<LoadAnswer> read_then_write(LoadOperation operation);
  Task<LoadAnswer> increment(LoadOperation operation);
  Task<LoadAnswer> scan(LoadOperation operation);

  std::string key_of(const LoadOperation& operation) const;
  void take_value(std::string_view value, const LoadOperation& operation, LoadAnswer& answer) const;

  const CallerOptions options_;
  const Filler& filler_;
  CallOptions call_;
  std::mutex mutex_;
  std::string scan_token_;  // guarded by mutex_; where the last scan ended, so that scans walk through all keys
  Client client_;
};

}  // namespace kv
