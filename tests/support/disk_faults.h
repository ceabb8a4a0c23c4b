// The disk of a server that is a process of its own, made to fail or hang from outside; what it can do is in
// tests/support/faults/disk_faults.cc.
// Threads: one. Lifetime: outlives the server. A fault lasts from begin() to end(), restarts included.
#pragma once

#include <map>
#include <string>

#include "tests/support/temp_directory.h"

namespace kv {

class DiskFaults {
 public:
  // For the server: ServerOptions::environment.
  std::map<std::string, std::string> environment() const;

  void begin(const std::string& fault);
  void end(const std::string& fault);
  // Until a call has met a fault, since the beginning.
  void wait_until_delivered() const;

 private:
  TempDirectory folder_;
};

}  // namespace kv
