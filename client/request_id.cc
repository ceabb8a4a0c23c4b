#include "client/request_id.h"

#include <cerrno>
#include <cstdlib>

#include <sys/random.h>

namespace kv {

std::string new_request_id() {
  constexpr std::size_t kBytes = 16;
  std::string id(kBytes, '\0');
  // Of up to 256 bytes getrandom() gives all or, before the system has any, waits; only a signal interrupts that.
  while (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(kBytes)) {
    if (errno != EINTR) std::abort();  // A system without randomness: ids that repeat would lose writes.
  }
  return id;
}

}  // namespace kv
