#include "core/checksum.h"

#include <fmt/format.h>

namespace kv {

std::string to_hex(const Digest128& digest) { return fmt::format("{:016x}{:016x}", digest.high, digest.low); }

}  // namespace kv
