// The small HTTP listener beside gRPC, for scrapers and orchestrators: /metrics, /livez, /readyz, /version.
//
// The hard part is a peer that connects and says nothing: it must not take probes their answer, or an orchestrator ends
// a server that is well. It has a second for its request, and 32 of them at a time keep nobody waiting.
//
// Threads:  its own 32; the callbacks are called on them, at any time between open() and destruction.
// Lifetime: the destructor ends the threads, in milliseconds; in a second when somebody is connected and silent.
// Errors:   an address that cannot be bound is kUnavailable, naming it; anything but GET of the four paths is 404 or
// 405.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace kv {

struct HttpPages {
  std::function<std::string()> metrics;
  std::function<bool()> ready;
};

class HttpListener {
 public:
  static absl::StatusOr<std::unique_ptr<HttpListener>> open(const std::string& address, HttpPages pages);
  ~HttpListener();

  int port() const noexcept;  // the bound one

 private:
  struct Server;
  HttpListener(std::unique_ptr<Server> server, std::string host) noexcept;
  std::unique_ptr<Server> server_;
  const std::string host_;  // where it can be reached from this machine
};

}  // namespace kv
