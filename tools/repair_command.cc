// repair DIR --to NEW: a sound copy of what can be read, and the exact list of what cannot.
#include <fmt/format.h>

#include "tools/commands.h"
#include "tools/examine.h"
#include "tools/salvage.h"
#include "tools/store_writer.h"

namespace kv::tools {
namespace {

// A directory that a start would serve is copied as that start would see it: nothing is lost by definition.
Salvage as_served(Examination& found) {
  Salvage whole;
  whole.page = *found.manifest;
  whole.state = std::move(found.state);
  whole.revision = found.revision;
  whole.page.clock = std::max(whole.page.clock, found.log.clock);
  for (const DamagedPlace& place : found.damaged) {
    whole.notes.push_back(fmt::format("{} at offset {}: {}; an older snapshot and the log made up for it", place.file,
                                      place.offset, place.what));
  }
  if (found.torn()) {
    const TornTail& tail = *found.log.end;
    whole.notes.push_back(
        fmt::format("torn tail: {} ends at offset {}, {} bytes beyond it were never promised to anybody", tail.file,
                    tail.offset, tail.bytes));
  }
  return whole;
}

std::string revisions_of(const Loss& loss) {
  if (loss.first_revision == 0) return "no revision";
  if (loss.last_revision == 0) return fmt::format("revisions from {} on", loss.first_revision);
  return fmt::format("revisions {} to {}", loss.first_revision, loss.last_revision);
}

Json json_of(const std::vector<std::string>& keys) {
  Json list = Json::array();
  for (const std::string& key : keys) {
    Json object = Json::object();
    put_bytes(object, "key", key);
    list.push_back(object);
  }
  return list;
}

Json json_of(const Loss& loss) {
  Json object = {{"file", loss.file}, {"from", loss.from}, {"to", loss.to}, {"what", loss.what}};
  object["first_revision"] = loss.first_revision == 0 ? Json() : Json(loss.first_revision);
  object["last_revision"] = loss.last_revision == 0 ? Json() : Json(loss.last_revision);
  object["keys"] = json_of(loss.keys);
  object["keys_perhaps"] = json_of(loss.perhaps);
  return object;
}

Json json_of(const Salvage& saved, const std::string& to) {
  Json report = {{"to", to},
                 {"keys", saved.state.keys().size()},
                 {"revision", saved.revision},
                 {"digest", hex(saved.state.digest())},
                 {"request_ids", saved.state.requests().size()}};
  report["lost"] = Json::array();
  for (const Loss& loss : saved.losses) report["lost"].push_back(json_of(loss));
  report["stale_keys"] = json_of(saved.stale_keys);
  report["notes"] = saved.notes;
  return report;
}

void tell(Screen& screen, const Salvage& saved, const std::string& to) {
  for (const std::string& note : saved.notes) screen.line(harmless(note));
  for (const Loss& loss : saved.losses) {
    screen.say("LOST: {} bytes {} to {}, {}: {}", harmless(loss.file), loss.from, loss.to, revisions_of(loss),
               harmless(loss.what));
    for (const std::string& key : loss.keys) screen.say("  a change of {}", shown(key));
    for (const std::string& key : loss.perhaps)
      screen.say("  perhaps a change of {} (no checksum vouches for it)", shown(key));
  }
  for (const std::string& key : saved.stale_keys) {
    screen.say("from an older snapshot, perhaps out of date or removed since: {}", shown(key));
  }
  screen.say("{}: {} keys at revision {}, digest {}", harmless(to), saved.state.keys().size(), saved.revision,
             hex(saved.state.digest()));
  screen.line(saved.losses.empty() ? "nothing is lost" : "what is listed above is lost");
}

absl::StatusOr<Salvage> save(FileSystem& fs, const DirectoryPage& directory, const Words& words, Progress& progress) {
  auto found = examine(fs, directory, {.values = State::Values::kKept}, progress);
  if (!found.ok()) return found.status();
  if (found->start == Examination::Start::kFresh) {
    return absl::InvalidArgumentError(fmt::format("{} holds no data to repair", directory.path()));
  }
  if (found->start == Examination::Start::kServes) return as_served(*found);
  return salvage(fs, directory, {.stop_at_damage = words.stop_at_damage}, progress);
}

}  // namespace

ExitCode repair(FileSystem& fs, const Words& words, Screen& screen) {
  if (absl::Status free = check_target(fs, words.to); !free.ok()) return failed(screen, free);
  const auto directory = DirectoryPage::open(fs, words.path);
  if (!directory.ok()) return failed(screen, directory.status());
  auto saved = save(fs, **directory, words, screen.progress());
  if (!saved.ok()) return failed(screen, saved.status());
  // Another directory from here on, which may go back behind what this one has shown.
  saved->page.store_id = random_store_id();
  const absl::Status written = write_store(fs, words.to, saved->page, saved->revision, saved->state, screen.progress());
  if (!written.ok()) return failed(screen, written);
  if (screen.json()) {
    screen.object(json_of(*saved, words.to));
  } else {
    tell(screen, *saved, words.to);
  }
  return saved->losses.empty() ? ExitCode::kDone : ExitCode::kDamage;
}

}  // namespace kv::tools
