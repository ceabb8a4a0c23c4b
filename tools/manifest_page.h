// MANIFEST read by its page, docs/formats/manifest.md, independently of the server's parser; and written, for a
// directory that the tool makes.
//
// Threads: free functions. Errors: damage() with the offset 0: its checksum covers the whole of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "core/checksum.h"
#include "persistence/format/manifest_format.h"
#include "persistence/format/store_id.h"
#include "store/types.h"

namespace kv::tools {

struct NamedSnapshot {
  std::uint64_t number = 0;
  Revision cut = 0;
  std::uint64_t bytes = 0;
  Digest128 digest;
  std::uint64_t keys = 0;
  UnixMillis created = 0;
};

struct UnfinishedSwitch {
  std::string from, to, phase;
  std::uint64_t first_segment = 0;
  nlohmann::json change;  // checked, and kept as they are
  nlohmann::json next;
};

struct PastFolder {
  std::uint64_t number = 0;
  std::string mode;
  std::vector<std::uint64_t> snapshots;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> segments;
};

struct ManifestPage {
  StoreId store_id{};
  std::uint64_t generation = 0;
  std::string mode;  // the word
  bool clean = false;
  Revision last_revision = 0;
  Revision revision_ceiling = 0;
  UnixMillis clock = 0;
  nlohmann::json settings = nlohmann::json::object();  // checked, and kept as it is
  std::optional<UnfinishedSwitch> unfinished;
  std::vector<NamedSnapshot> snapshots;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> segments;  // first and last
  std::map<std::uint64_t, std::uint64_t> used;
  Revision log_whole_from = 0;
  std::uint64_t next_segment = 1;
  std::uint64_t next_snapshot = 1;
  std::vector<PastFolder> past;

  bool has_log() const { return mode == "AOF" || mode == "HYBRID"; }
  bool names_segment(std::uint64_t number) const;
  std::vector<std::uint64_t> segment_numbers() const;
  // What a start makes of it: the log that an unfinished switch opened never counted.
  void undo_switch();
  // What a start would carry out: not one that failed.
  bool has_accepted_change() const { return unfinished && unfinished->phase != "FAILED"; }
};

absl::StatusOr<ManifestPage> read_manifest_page(std::string_view text, const std::string& path);
// Without past folders, and a switch only as accepted: a new directory has begun none.
std::string manifest_text(const ManifestPage& page);
std::string hex(const StoreId& id);
std::string hex(std::uint64_t number);

}  // namespace kv::tools
