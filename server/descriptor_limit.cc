#include "server/descriptor_limit.h"

#include <cstddef>

#include <sys/resource.h>

#include "core/spare_descriptors.h"
#include "server/log.h"

namespace kv {
namespace {

// Two logs while a switch runs, each with a group of prepared segments; a snapshot; MANIFEST; a directory being synced.
constexpr std::size_t kForFiles = 32;
constexpr rlim_t kFew = 1024;

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
    log_warning("only {} descriptors: one is needed for each connection, and clients beyond that wait unanswered",
                limit.rlim_cur);
  }
}

}  // namespace kv
