#include "server/descriptor_limit.h"

#include <algorithm>

#include <sys/resource.h>

#include "core/spare_descriptors.h"
#include "server/log.h"

namespace kv {
namespace {

// Two logs while a switch runs, each with a group of prepared segments; a snapshot; MANIFEST; a directory being synced.
constexpr std::size_t kForFiles = 32;
constexpr rlim_t kFew = 1024;
// For everything that is no connection: those for files, about 25 of the server itself, those of the HTTP listener's
// own clients, and one a core while data are loaded.
constexpr std::uint64_t kReserved = 128;

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t kept = keep_descriptors_for_files(kForFiles);
  log_info("descriptors: at most {}, {} of them kept back for files", limit.rlim_cur, kept);
  if (limit.rlim_cur < kFew || kept < kForFiles) {
    log_warning("only {} descriptors: one is needed for each connection, and clients beyond that are turned away",
                limit.rlim_cur);
  }
}

std::uint64_t descriptor_limit() noexcept {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);  // It cannot fail: the resource exists, and so does the variable.
  return limit.rlim_max;
}

std::size_t connections_that_fit(std::size_t wanted, std::uint64_t descriptors) noexcept {
  const std::uint64_t reserved = std::min(kReserved, descriptors / 2);
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(descriptors - reserved, 1, wanted));
}

}  // namespace kv
