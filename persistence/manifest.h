// What MANIFEST says: the truth about a data directory, and its text.
//
// Hard part: none of it may be believed half. parse_manifest() accepts exactly what to_text() writes, fields, bounds
// and cross references included; anything else is damage. The format is docs/formats/manifest.md.
//
// Threads: values and free functions.
// Errors:  DATA_LOSS (CHECKSUM) with the path; nothing that a disk holds crashes us.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/checksum.h"
#include "core/clock.h"
#include "persistence/format/manifest_format.h"
#include "persistence/settings.h"
#include "persistence/store_id_text.h"
#include "persistence/switch_phase.h"
#include "store/types.h"

namespace kv {

enum class SettingOrigin : std::uint8_t { kDefault, kStartup, kRuntime };
std::string_view word(SettingOrigin origin) noexcept;

struct StoredSetting {
  std::string value;                   // canonical text
  std::optional<std::string> startup;  // as last given at a start
  SettingOrigin origin = SettingOrigin::kDefault;
  friend bool operator==(const StoredSetting&, const StoredSetting&) = default;
};

// Setting names with the texts asked for.
using SettingTexts = std::map<std::string, std::string>;

struct SnapshotRecord {
  std::uint64_t number = 0;
  Revision cut = 0;
  std::uint64_t bytes = 0;
  Digest128 digest;
  std::uint64_t keys = 0;
  UnixMillis created = 0;
  friend bool operator==(const SnapshotRecord&, const SnapshotRecord&) = default;
};

// The segments of the log by number, those of them that end early, and both in ascending order.
class SegmentSet {
 public:
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    friend bool operator==(const Range&, const Range&) = default;
  };

  void add(std::uint64_t first, std::uint64_t last);
  // Drops every segment below `number`, or from `number` on.
  void drop_below(std::uint64_t number);
  void drop_from(std::uint64_t number);
  bool contains(std::uint64_t number) const noexcept;
  bool empty() const noexcept { return ranges_.empty(); }
  std::vector<std::uint64_t> numbers() const;
  const std::vector<Range>& ranges() const noexcept { return ranges_; }
  friend bool operator==(const SegmentSet&, const SegmentSet&) = default;

 private:
  std::vector<Range> ranges_;
};

struct SwitchRecord {
  Mode from = Mode::kHybrid;
  Mode to = Mode::kHybrid;
  SwitchPhase phase = SwitchPhase::kAccepted;  // kAccepted, kDual or kFailed
  SettingTexts change;
  std::uint64_t first_segment = 0;
  Revision base = 0;
  std::optional<SettingTexts> next;
  // Which change of this process each of the two is; in no file. Two that say the same are two.
  std::uint64_t change_id = 0;
  std::uint64_t next_id = 0;
  friend bool operator==(const SwitchRecord&, const SwitchRecord&) = default;
};

struct PastGeneration {
  std::uint64_t number = 0;
  Mode mode = Mode::kHybrid;
  UnixMillis moved = 0;
  std::vector<std::uint64_t> snapshots;
  SegmentSet segments;
  friend bool operator==(const PastGeneration&, const PastGeneration&) = default;
};

struct Manifest {
  StoreId store_id{};
  std::uint64_t generation = 0;
  Mode mode = Mode::kHybrid;
  bool clean = false;
  Revision last_revision = 0;
  Revision revision_ceiling = 0;
  UnixMillis clock = 0;
  std::map<std::string, StoredSetting> settings;
  std::optional<SwitchRecord> mode_switch;
  std::vector<SnapshotRecord> snapshots;
  SegmentSet segments;
  std::map<std::uint64_t, std::uint64_t> used;  // segment number to the bytes that exist
  Revision log_whole_from = 0;
  std::uint64_t next_segment = 1;
  std::uint64_t next_snapshot = 1;
  std::vector<PastGeneration> past;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

// Drops a switch that did not become ACTIVE: its record, and the names of the segments it had opened, which never
// counted. Whoever replaces the record begins with this; kept without it, they would be replayed.
void forget_switch(Manifest& manifest);

std::string to_text(const Manifest& manifest);
// Sixteen hexadecimal digits: what the last line says about all bytes before it.
std::string manifest_checksum(std::string_view body);
// `path` is for messages.
absl::StatusOr<Manifest> parse_manifest(std::string_view text, std::string_view path);

}  // namespace kv
