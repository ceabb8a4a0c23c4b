#include "tools/manifest_page.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "tools/file_view.h"

namespace kv::tools {
namespace {

using nlohmann::json;

constexpr std::uint64_t kTimeMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kCeilingMax = std::numeric_limits<std::uint64_t>::max() / 2;
const std::initializer_list<std::string_view> modes = {"NON_PERSISTENT", "SNAPSHOT", "AOF", "HYBRID"};

// Thrown at the first field that is not as the page says, caught in read_manifest_page().
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] void wrong(std::string_view what) { throw Wrong(std::string(what)); }

// An object with exactly these fields.
const json& object_with(const json& value, std::initializer_list<const char*> names, std::string_view where) {
  if (!value.is_object()) wrong(fmt::format("{} is not an object", where));
  for (const char* name : names) {
    if (!value.contains(name)) wrong(fmt::format("{} has no field '{}'", where, name));
  }
  if (value.size() != names.size()) wrong(fmt::format("{} has a field that this format does not know", where));
  return value;
}

std::uint64_t number(const json& value, std::string_view where, std::uint64_t max = UINT64_MAX) {
  if (!value.is_number_unsigned()) wrong(fmt::format("{} is not a number", where));
  const auto found = value.get<std::uint64_t>();
  if (found > max) wrong(fmt::format("{} is out of bounds", where));
  return found;
}

std::string text(const json& value, std::string_view where) {
  if (!value.is_string()) wrong(fmt::format("{} is not text", where));
  return value.get<std::string>();
}

std::string one_of(const json& value, std::initializer_list<std::string_view> words, std::string_view where) {
  std::string found = text(value, where);
  if (std::find(words.begin(), words.end(), found) == words.end()) {
    wrong(fmt::format("{} is '{}', which is no word it may have", where, found));
  }
  return found;
}

const json& list(const json& value, std::string_view where) {
  if (!value.is_array()) wrong(fmt::format("{} is not a list", where));
  return value;
}

std::uint64_t hex_number(std::string_view digits, std::string_view where) {
  std::uint64_t value = 0;
  const bool plain = std::all_of(digits.begin(), digits.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (!plain || failure != std::errc() || end != digits.data() + digits.size()) {
    wrong(fmt::format("{} is not hexadecimal", where));
  }
  return value;
}

StoreId store_id(const json& value) {
  const std::string digits = text(value, "store_id");
  StoreId id{};
  if (digits.size() != 2 * id.size()) wrong("store_id has not 32 digits");
  for (std::size_t i = 0; i < id.size(); ++i) {
    id[i] = static_cast<std::byte>(hex_number(std::string_view(digits).substr(2 * i, 2), "store_id"));
  }
  return id;
}

Digest128 digest(const json& value) {
  const std::string digits = text(value, "digest");
  if (digits.size() != 32) wrong("a digest has not 32 digits");
  const std::string_view view = digits;
  return {.low = hex_number(view.substr(16), "digest"), .high = hex_number(view.substr(0, 16), "digest")};
}

std::pair<std::uint64_t, std::uint64_t> pair_of(const json& value, std::string_view where) {
  if (!value.is_array() || value.size() != 2) wrong(fmt::format("{} is not a list of pairs", where));
  return {number(value[0], where), number(value[1], where)};
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges(const json& value, std::string_view where) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> found;
  std::uint64_t above = 0, total = 0;
  for (const json& item : list(value, where)) {
    const auto [first, last] = pair_of(item, where);
    if (first <= above || last < first || last == UINT64_MAX) wrong(fmt::format("{} is not ascending", where));
    if (last - first >= kManifestSegmentsMax - total) wrong(fmt::format("{} names too many", where));
    total += last - first + 1;
    above = last;
    found.emplace_back(first, last);
  }
  return found;
}

void texts(const json& value, std::string_view where) {
  if (!value.is_object()) wrong(fmt::format("{} is not an object", where));
  for (const json& item : value) text(item, where);
}

NamedSnapshot snapshot(const json& value) {
  object_with(value, {"number", "cut", "bytes", "digest", "keys", "created"}, "a snapshot");
  return {.number = number(value["number"], "snapshots.number"),
          .cut = number(value["cut"], "snapshots.cut"),
          .bytes = number(value["bytes"], "snapshots.bytes"),
          .digest = digest(value["digest"]),
          .keys = number(value["keys"], "snapshots.keys"),
          .created = static_cast<UnixMillis>(number(value["created"], "snapshots.created", kTimeMax))};
}

void check_settings(const json& settings) {
  if (!settings.is_object()) wrong("settings is not an object");
  for (const json& setting : settings) {
    object_with(setting, {"value", "startup", "origin"}, "a setting");
    text(setting["value"], "settings.value");
    if (!setting["startup"].is_null()) text(setting["startup"], "settings.startup");
    one_of(setting["origin"], {"default", "startup", "runtime"}, "settings.origin");
  }
}

UnfinishedSwitch unfinished(const json& value) {
  object_with(value, {"from", "to", "phase", "change", "first_segment", "base", "next"}, "switch");
  texts(value["change"], "switch.change");
  number(value["base"], "switch.base");
  if (!value["next"].is_null()) texts(value["next"], "switch.next");
  return {.from = one_of(value["from"], modes, "switch.from"),
          .to = one_of(value["to"], modes, "switch.to"),
          .phase = one_of(value["phase"], {"ACCEPTED", "DUAL", "FAILED"}, "switch.phase"),
          .first_segment = number(value["first_segment"], "switch.first_segment"),
          .change = value["change"],
          .next = value["next"]};
}

PastFolder past_folder(const json& value) {
  object_with(value, {"number", "mode", "moved", "snapshots", "segments"}, "a past folder");
  PastFolder folder;
  folder.number = number(value["number"], "past.number");
  folder.mode = one_of(value["mode"], modes, "past.mode");
  number(value["moved"], "past.moved", kTimeMax);
  for (const json& item : list(value["snapshots"], "past.snapshots")) {
    folder.snapshots.push_back(number(item, "past.snapshots"));
  }
  folder.segments = ranges(value["segments"], "past.segments");
  return folder;
}

void check_between_fields(const ManifestPage& page) {
  std::uint64_t above = 0;
  for (const NamedSnapshot& one : page.snapshots) {
    if (one.number <= above || one.number >= page.next_snapshot) wrong("snapshots has a number that cannot be");
    if (one.cut > page.revision_ceiling) wrong("a snapshot's cut is above revision_ceiling");
    above = one.number;
  }
  if (!page.segments.empty() && page.segments.back().second >= page.next_segment) {
    wrong("segments has a number that cannot be");
  }
  for (const auto& [segment, bytes] : page.used) {
    if (!page.names_segment(segment)) wrong("used names a segment that 'segments' does not");
  }
  if (page.last_revision > page.revision_ceiling) wrong("last_revision is above revision_ceiling");
  if (page.log_whole_from > page.revision_ceiling) wrong("log_whole_from is above revision_ceiling");
  above = 0;
  for (const PastFolder& folder : page.past) {
    if (folder.number <= above) wrong("past is not ascending");
    above = folder.number;
  }
}

ManifestPage page_of(const json& value) {
  if (!value.is_object()) wrong("it is not an object");
  const auto version = value.find("format");
  if (version == value.end()) wrong("there is no field 'format'");
  if (number(*version, "format") != kManifestFormat) {
    wrong(fmt::format("it is of format {}, this tool reads {}", version->dump(), kManifestFormat));
  }
  object_with(
      value,
      {"format", "store_id", "generation", "mode", "clean", "last_revision", "revision_ceiling", "clock", "settings",
       "switch", "snapshots", "segments", "used", "log_whole_from", "next_segment", "next_snapshot", "past"},
      "MANIFEST");
  ManifestPage page;
  page.store_id = store_id(value["store_id"]);
  page.generation = number(value["generation"], "generation");
  page.mode = one_of(value["mode"], modes, "mode");
  if (!value["clean"].is_boolean()) wrong("clean is neither true nor false");
  page.clean = value["clean"].get<bool>();
  page.last_revision = number(value["last_revision"], "last_revision");
  page.revision_ceiling = number(value["revision_ceiling"], "revision_ceiling", kCeilingMax);
  page.clock = static_cast<UnixMillis>(number(value["clock"], "clock", kTimeMax));
  check_settings(value["settings"]);
  page.settings = value["settings"];
  if (!value["switch"].is_null()) page.unfinished = unfinished(value["switch"]);
  for (const json& item : list(value["snapshots"], "snapshots")) page.snapshots.push_back(snapshot(item));
  page.segments = ranges(value["segments"], "segments");
  for (const json& item : list(value["used"], "used")) page.used.insert(pair_of(item, "used"));
  page.log_whole_from = number(value["log_whole_from"], "log_whole_from");
  page.next_segment = number(value["next_segment"], "next_segment");
  page.next_snapshot = number(value["next_snapshot"], "next_snapshot");
  for (const json& item : list(value["past"], "past")) page.past.push_back(past_folder(item));
  check_between_fields(page);
  return page;
}

json snapshots_json(const ManifestPage& page) {
  json all = json::array();
  for (const NamedSnapshot& one : page.snapshots) {
    all.push_back({{"number", one.number},
                   {"cut", one.cut},
                   {"bytes", one.bytes},
                   {"digest", to_hex(one.digest)},
                   {"keys", one.keys},
                   {"created", one.created}});
  }
  return all;
}

json switch_json(const ManifestPage& page) {
  if (!page.has_accepted_change()) return nullptr;
  const UnfinishedSwitch& accepted = *page.unfinished;
  return {{"from", accepted.from}, {"to", accepted.to}, {"phase", "ACCEPTED"},  {"change", accepted.change},
          {"first_segment", 0},    {"base", 0},         {"next", accepted.next}};
}

std::string last_line(std::string_view body) {
  return fmt::format("{}{}\n", kManifestChecksumWord, hex(checksum64(as_bytes(body), kManifestChecksumSeed)));
}

}  // namespace

bool ManifestPage::names_segment(std::uint64_t number) const {
  return std::any_of(segments.begin(), segments.end(),
                     [&](const auto& range) { return range.first <= number && number <= range.second; });
}

std::vector<std::uint64_t> ManifestPage::segment_numbers() const {
  std::vector<std::uint64_t> all;
  for (const auto& [first, last] : segments) {
    for (std::uint64_t number = first; number <= last; ++number) all.push_back(number);
  }
  return all;
}

void ManifestPage::undo_switch() {
  if (!unfinished || unfinished->first_segment == 0) return;
  const std::uint64_t from = unfinished->first_segment;
  std::erase_if(segments, [&](const auto& range) { return range.first >= from; });
  if (!segments.empty()) segments.back().second = std::min(segments.back().second, from - 1);
  used.erase(used.lower_bound(from), used.end());
}

absl::StatusOr<ManifestPage> read_manifest_page(std::string_view text, const std::string& path) {
  if (text.size() < kManifestChecksumLineBytes) return damage(path, 0, "too short to be a MANIFEST");
  const std::string_view body = text.substr(0, text.size() - kManifestChecksumLineBytes);
  if (text.substr(body.size()) != last_line(body)) return damage(path, 0, "the checksum in its last line is wrong");
  const json value = json::parse(body, nullptr, false);
  if (value.is_discarded()) return damage(path, 0, "it is not JSON");
  try {
    return page_of(value);
  } catch (const Wrong& why) {
    return damage(path, 0, why.what());
  }
}

std::string manifest_text(const ManifestPage& page) {
  const json value = {{"format", kManifestFormat},
                      {"store_id", hex(page.store_id)},
                      {"generation", page.generation},
                      {"mode", page.mode},
                      {"clean", page.clean},
                      {"last_revision", page.last_revision},
                      {"revision_ceiling", page.revision_ceiling},
                      {"clock", page.clock},
                      {"settings", page.settings},
                      {"switch", switch_json(page)},
                      {"snapshots", snapshots_json(page)},
                      {"segments", json::array()},
                      {"used", json::array()},
                      {"log_whole_from", page.log_whole_from},
                      {"next_segment", page.next_segment},
                      {"next_snapshot", page.next_snapshot},
                      {"past", json::array()}};
  const std::string body = value.dump(2) + "\n";
  return body + last_line(body);
}

std::string hex(const StoreId& id) {
  std::string digits;
  for (const std::byte byte : id) digits += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return digits;
}

std::string hex(std::uint64_t number) { return fmt::format("{:016x}", number); }

}  // namespace kv::tools
