// The files beside MANIFEST that hold no data, by their pages: docs/formats/set-aside.md and docs/formats/recovery.md.
// A second reading, as of everything else here.
//
// Threads: free functions. Errors: damage() with the offset of the line that is not as its page says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "persistence/format/store_id.h"
#include "store/types.h"

namespace kv::tools {

inline constexpr std::uint64_t kSideFileBytesMax = 64 << 20;

// A line of SET_ASIDE: a file that does not count any more, and the name under which a start keeps it.
struct FileSetAside {
  std::string file, as;                       // below the directory
  std::optional<std::uint64_t> segment = {};  // one of the two
  std::optional<std::uint64_t> snapshot = {};
};
absl::StatusOr<std::vector<FileSetAside>> read_set_aside_page(std::string_view text, const std::string& path);

// RECOVERY.TOKEN: a start that went on without what was damaged.
struct AcceptedLoss {
  std::string token;
  std::string time;       // as it stands there
  Revision revision = 0;  // what was served is the state of this one
  std::string lost;       // in words
};
// The token in such a name; nothing for any other.
std::optional<std::string> accepted_token(std::string_view name);
absl::StatusOr<AcceptedLoss> read_accepted_loss(std::string_view text, const std::string& path,
                                                const std::string& token, const StoreId& store);

}  // namespace kv::tools
