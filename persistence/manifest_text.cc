#include <charconv>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "persistence/damage.h"
#include "persistence/manifest.h"

namespace kv {
namespace {

using nlohmann::json;

constexpr std::uint64_t kNumberMax = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kTimeMax = std::numeric_limits<std::int64_t>::max();

// ---- Writing ----------------------------------------------------------------------------------------------------

json to_json(const SegmentSet& segments) {
  json list = json::array();
  for (const SegmentSet::Range& range : segments.ranges()) list.push_back({range.first, range.last});
  return list;
}

json to_json(const SnapshotRecord& snapshot) {
  return {{"number", snapshot.number},         {"cut", snapshot.cut},   {"bytes", snapshot.bytes},
          {"digest", to_hex(snapshot.digest)}, {"keys", snapshot.keys}, {"created", snapshot.created}};
}

json to_json(const StoredSetting& setting) {
  return {{"value", setting.value},
          {"startup", setting.startup ? json(*setting.startup) : json()},
          {"origin", std::string(word(setting.origin))}};
}

json to_json(const SwitchRecord& record) {
  return {{"from", std::string(word(record.from))},
          {"to", std::string(word(record.to))},
          {"phase", std::string(word(record.phase))},
          {"change", record.change},
          {"first_segment", record.first_segment},
          {"base", record.base},
          {"next", record.next ? json(*record.next) : json()}};
}

json to_json(const PastGeneration& past) {
  return {{"number", past.number},
          {"mode", std::string(word(past.mode))},
          {"moved", past.moved},
          {"snapshots", past.snapshots},
          {"segments", to_json(past.segments)}};
}

template <class Item>
json list_of(const std::vector<Item>& items) {
  json list = json::array();
  for (const Item& item : items) list.push_back(to_json(item));
  return list;
}

json to_json(const Manifest& m) {
  json settings = json::object();
  for (const auto& [name, setting] : m.settings) settings[name] = to_json(setting);
  json used = json::array();
  for (const auto& [number, bytes] : m.used) used.push_back({number, bytes});
  return {{"format", kManifestFormat},
          {"store_id", to_hex(m.store_id)},
          {"generation", m.generation},
          {"mode", std::string(word(m.mode))},
          {"clean", m.clean},
          {"last_revision", m.last_revision},
          {"revision_ceiling", m.revision_ceiling},
          {"clock", m.clock},
          {"settings", settings},
          {"switch", m.mode_switch ? to_json(*m.mode_switch) : json()},
          {"snapshots", list_of(m.snapshots)},
          {"segments", to_json(m.segments)},
          {"used", used},
          {"log_whole_from", m.log_whole_from},
          {"next_segment", m.next_segment},
          {"next_snapshot", m.next_snapshot},
          {"past", list_of(m.past)}};
}

// ---- Reading ----------------------------------------------------------------------------------------------------

// Ends the reading at the first fault. Thrown and caught in this file only: forty fields would otherwise be forty ifs.
struct Fault {
  std::string what;
};
struct OtherFormat {
  std::uint64_t found;
};

[[noreturn]] void fault(std::string_view where, std::string_view what) {
  throw Fault{fmt::format("field '{}' {}", where, what)};
}

// The fields of one object, each taken exactly once.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) fault(where_, "is not an object");
  }

  const json& take(const std::string& name) {
    const auto found = object_.find(name);
    if (found == object_.end()) fault(path(name), "is missing");
    taken_.insert(name);
    return *found;
  }
  std::uint64_t number(const std::string& name, std::uint64_t max = kNumberMax) {
    const json& value = take(name);
    if (!value.is_number_unsigned()) fault(path(name), "is not a number");
    if (value.get<std::uint64_t>() > max) fault(path(name), "is out of bounds");
    return value.get<std::uint64_t>();
  }
  UnixMillis time(const std::string& name) { return static_cast<UnixMillis>(number(name, kTimeMax)); }
  bool truth(const std::string& name) {
    const json& value = take(name);
    if (!value.is_boolean()) fault(path(name), "is neither true nor false");
    return value.get<bool>();
  }
  std::string text(const std::string& name) {
    const json& value = take(name);
    if (!value.is_string()) fault(path(name), "is not text");
    return value.get<std::string>();
  }
  const json& list(const std::string& name) {
    const json& value = take(name);
    if (!value.is_array()) fault(path(name), "is not a list");
    return value;
  }
  // The one of `choices` whose word() this is.
  template <class Choice>
  Choice choice(const std::string& name, std::initializer_list<Choice> choices) {
    const std::string found = text(name);
    for (const Choice choice : choices) {
      if (word(choice) == found) return choice;
    }
    fault(path(name), fmt::format("is '{}', which is no word it may have", found));
  }
  Mode mode(const std::string& name) {
    return choice(name, {Mode::kNonPersistent, Mode::kSnapshot, Mode::kAof, Mode::kHybrid});
  }
  void finish() const {
    for (const auto& [name, value] : object_.items()) {
      if (taken_.count(name) == 0) fault(path(name), "is unknown");
    }
  }
  std::string path(const std::string& name) const { return where_.empty() ? name : where_ + "." + name; }

 private:
  const json& object_;
  const std::string where_;
  std::set<std::string> taken_;
};

std::pair<std::uint64_t, std::uint64_t> number_pair(const json& value, const std::string& where) {
  if (!value.is_array() || value.size() != 2 || !value[0].is_number_unsigned() || !value[1].is_number_unsigned()) {
    fault(where, "is not a list of pairs of numbers");
  }
  return {value[0].get<std::uint64_t>(), value[1].get<std::uint64_t>()};
}

SegmentSet read_segments(Fields& fields, const std::string& name) {
  SegmentSet segments;
  std::uint64_t lowest = 1, total = 0;
  for (const json& item : fields.list(name)) {
    const auto [first, last] = number_pair(item, fields.path(name));
    if (first < lowest || last < first || last == kNumberMax) fault(fields.path(name), "is not ascending");
    if (last - first >= kManifestSegmentsMax - total) fault(fields.path(name), "has too many segments");
    total += last - first + 1;
    lowest = last + 1;
    segments.add(first, last);
  }
  return segments;
}

SettingTexts read_texts(const json& value, const std::string& where) {
  if (!value.is_object()) fault(where, "is not an object");
  SettingTexts texts;
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string()) fault(where, "has a value that is not text");
    texts[name] = text.get<std::string>();
  }
  return texts;
}

Digest128 read_digest(Fields& fields, const std::string& name) {
  const std::string hex = fields.text(name);
  Digest128 digest;
  const auto half = [&](std::size_t from, std::uint64_t& into) {
    const auto [end, failure] = std::from_chars(hex.data() + from, hex.data() + from + 16, into, 16);
    return failure == std::errc() && end == hex.data() + from + 16;
  };
  if (hex.size() != 32 || !half(0, digest.high) || !half(16, digest.low)) fault(fields.path(name), "is not a digest");
  return digest;
}

SnapshotRecord read_snapshot(const json& value) {
  Fields fields(value, "snapshots");
  SnapshotRecord snapshot;
  snapshot.number = fields.number("number");
  snapshot.cut = fields.number("cut");
  snapshot.bytes = fields.number("bytes");
  snapshot.digest = read_digest(fields, "digest");
  snapshot.keys = fields.number("keys");
  snapshot.created = fields.time("created");
  fields.finish();
  return snapshot;
}

StoredSetting read_setting(const json& value, const std::string& name) {
  Fields fields(value, "settings." + name);
  StoredSetting setting;
  setting.value = fields.text("value");
  if (const json& startup = fields.take("startup"); !startup.is_null()) setting.startup = fields.text("startup");
  setting.origin = fields.choice("origin", {SettingOrigin::kDefault, SettingOrigin::kStartup, SettingOrigin::kRuntime});
  fields.finish();
  return setting;
}

SwitchRecord read_switch(const json& value) {
  Fields fields(value, "switch");
  SwitchRecord record;
  record.from = fields.mode("from");
  record.to = fields.mode("to");
  record.phase = fields.choice("phase", {SwitchPhase::kAccepted, SwitchPhase::kDual, SwitchPhase::kFailed});
  record.change = read_texts(fields.take("change"), "switch.change");
  record.first_segment = fields.number("first_segment");
  record.base = fields.number("base");
  if (const json& next = fields.take("next"); !next.is_null()) record.next = read_texts(next, "switch.next");
  fields.finish();
  return record;
}

PastGeneration read_past(const json& value) {
  Fields fields(value, "past");
  PastGeneration past;
  past.number = fields.number("number");
  past.mode = fields.mode("mode");
  past.moved = fields.time("moved");
  for (const json& number : fields.list("snapshots")) {
    if (!number.is_number_unsigned()) fault("past.snapshots", "is not a list of numbers");
    past.snapshots.push_back(number.get<std::uint64_t>());
  }
  past.segments = read_segments(fields, "segments");
  fields.finish();
  return past;
}

// What holds between fields.
void check_references(const Manifest& m) {
  std::uint64_t below = 0;
  for (const SnapshotRecord& snapshot : m.snapshots) {
    if (snapshot.number <= below || snapshot.number >= m.next_snapshot) fault("snapshots", "has a wrong number");
    below = snapshot.number;
    if (snapshot.cut > m.revision_ceiling) fault("snapshots", "has a cut above revision_ceiling");
  }
  if (!m.segments.empty() && m.segments.ranges().back().last >= m.next_segment) fault("segments", "has a wrong number");
  for (const auto& [number, bytes] : m.used) {
    if (!m.segments.contains(number)) fault("used", "names a segment that 'segments' does not");
  }
  if (m.last_revision > m.revision_ceiling) fault("last_revision", "is above revision_ceiling");
  if (m.log_whole_from > m.revision_ceiling) fault("log_whole_from", "is above revision_ceiling");
  below = 0;
  for (const PastGeneration& past : m.past) {
    if (past.number <= below) fault("past", "is not ascending");
    below = past.number;
  }
}

Manifest read_manifest(const json& value) {
  Fields fields(value, "");
  Manifest m;
  if (const std::uint64_t format = fields.number("format"); format != kManifestFormat) {
    throw OtherFormat{format};
  }
  const auto store_id = parse_store_id(fields.text("store_id"));
  if (!store_id) fault("store_id", "is not 32 hexadecimal digits");
  m.store_id = *store_id;
  m.generation = fields.number("generation");
  m.mode = fields.mode("mode");
  m.clean = fields.truth("clean");
  m.last_revision = fields.number("last_revision");
  m.revision_ceiling = fields.number("revision_ceiling", kNumberMax / 2);
  m.clock = fields.time("clock");
  const json& settings = fields.take("settings");
  if (!settings.is_object()) fault("settings", "is not an object");
  for (const auto& [name, setting] : settings.items()) m.settings[name] = read_setting(setting, name);
  if (const json& record = fields.take("switch"); !record.is_null()) m.mode_switch = read_switch(record);
  for (const json& snapshot : fields.list("snapshots")) m.snapshots.push_back(read_snapshot(snapshot));
  m.segments = read_segments(fields, "segments");
  for (const json& item : fields.list("used")) m.used.insert(number_pair(item, "used"));
  m.log_whole_from = fields.number("log_whole_from");
  m.next_segment = fields.number("next_segment");
  m.next_snapshot = fields.number("next_snapshot");
  for (const json& past : fields.list("past")) m.past.push_back(read_past(past));
  fields.finish();
  check_references(m);
  return m;
}

absl::Status damaged(std::string_view path, std::string_view what) {
  return error(Reason::kChecksum, fmt::format("{}: {}", path, what), {{"file", std::string(path)}});
}

std::string checksum_line(std::string_view body) {
  return fmt::format("{}{}\n", kManifestChecksumWord, manifest_checksum(body));
}

}  // namespace

std::string manifest_checksum(std::string_view body) {
  return fmt::format("{:016x}", checksum64(as_bytes(body), kManifestChecksumSeed));
}

std::string to_text(const Manifest& manifest) {
  const std::string body = to_json(manifest).dump(2) + "\n";
  return body + checksum_line(body);
}

absl::StatusOr<Manifest> parse_manifest(std::string_view text, std::string_view path) {
  if (text.size() < kManifestChecksumLineBytes) return damaged(path, "too short to be a MANIFEST");
  const std::string_view body = text.substr(0, text.size() - kManifestChecksumLineBytes);
  if (text.substr(body.size()) != checksum_line(body)) return damaged(path, "the checksum in its last line is wrong");
  // Depth and size are bounded by what wrote the checksum; the parser does not recurse.
  const json value = json::parse(body, nullptr, false);
  if (value.is_discarded()) return damaged(path, "not JSON");
  try {
    return read_manifest(value);
  } catch (const Fault& found) {
    return damaged(path, found.what);
  } catch (const OtherFormat& other) {
    return other_format(std::string(path), other.found, kManifestFormat);
  }
}

}  // namespace kv
