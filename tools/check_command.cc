// check DIR: the examination, told.
#include <fmt/format.h>

#include "tools/commands.h"
#include "tools/examine.h"

namespace kv::tools {
namespace {

std::string_view word(Examination::Start start) {
  switch (start) {
    case Examination::Start::kFresh:
      return "fresh";
    case Examination::Start::kServes:
      return "serves";
    case Examination::Start::kRefuses:
      return "refuses";
  }
  return "";
}

std::string_view word(SnapshotSummary::Verdict verdict) {
  switch (verdict) {
    case SnapshotSummary::Verdict::kNotRead:
      return "not read";
    case SnapshotSummary::Verdict::kGood:
      return "good";
    case SnapshotSummary::Verdict::kDamaged:
      return "damaged";
  }
  return "";
}

std::string_view word(Examination::SetAside::Now now) {
  switch (now) {
    case Examination::SetAside::Now::kToRename:
      return "to be renamed";
    case Examination::SetAside::Now::kNamed:
      return "named in MANIFEST";
    case Examination::SetAside::Now::kGone:
      return "not there";
  }
  return "";
}

class Report {
 public:
  Report(const DirectoryPage& directory, const Examination& found) : directory_(directory), found_(found) {}

  Json json() const {
    Json report = Json::object();
    report["directory"] = directory_.path();
    report["sound"] = found_.sound();
    report["start"] = word(found_.start);
    if (found_.manifest) add_manifest(report);
    report["damage"] = Json::array();
    for (const DamagedPlace& place : found_.damaged) {
      report["damage"].push_back({{"file", place.file}, {"offset", place.offset}, {"what", place.what}});
    }
    report["torn_tail"] = nullptr;
    if (found_.torn()) {
      const TornTail& tail = *found_.log.end;
      report["torn_tail"] = {{"file", directory_.below(tail.file)},
                             {"offset", tail.offset},
                             {"bytes", tail.bytes},
                             {"last_revision", tail.last_revision},
                             {"what", tail.why}};
    }
    if (found_.start == Examination::Start::kServes) add_state(report);
    report["set_aside"] = Json::array();
    for (const Examination::SetAside& one : found_.set_aside) {
      report["set_aside"].push_back({{"file", one.file.file}, {"as", one.file.as}, {"now", word(one.now)}});
    }
    report["accepted_losses"] = Json::array();
    for (const AcceptedLoss& loss : found_.accepted) {
      report["accepted_losses"].push_back(
          {{"token", loss.token}, {"time", loss.time}, {"revision", loss.revision}, {"lost", loss.lost}});
    }
    report["removed_at_start"] = found_.swept;
    report["strangers"] = found_.strangers;
    return report;
  }

  void human(Screen& screen) const {
    if (found_.manifest) {
      say_manifest(screen);
      say_snapshots(screen);
      say_segments(screen);
    }
    say_side_files(screen);
    for (const std::string& file : found_.swept)
      screen.say("not named in MANIFEST, a start removes it: {}", harmless(file));
    for (const std::string& file : found_.strangers) screen.say("not ours, left alone: {}", harmless(file));
    say_tail(screen);
    for (const DamagedPlace& place : found_.damaged) {
      screen.say("DAMAGE: {} at offset {}: {}", harmless(place.file), place.offset, harmless(place.what));
    }
    say_verdict(screen);
  }

 private:
  void add_manifest(Json& report) const {
    const ManifestPage& page = *found_.manifest;
    report["store_id"] = hex(page.store_id);
    report["generation"] = page.generation;
    report["mode"] = page.mode;
    report["clean"] = page.clean;
    report["switch"] = nullptr;
    if (page.unfinished) {
      report["switch"] = {
          {"from", page.unfinished->from}, {"to", page.unfinished->to}, {"phase", page.unfinished->phase}};
    }
    report["snapshots"] = Json::array();
    for (const SnapshotSummary& one : found_.snapshots) {
      report["snapshots"].push_back({{"file", one.file},
                                     {"cut", one.cut},
                                     {"keys", one.keys},
                                     {"bytes", one.bytes},
                                     {"verdict", word(one.verdict)},
                                     {"loaded", one.loaded}});
    }
    report["segments"] = Json::array();
    for (std::size_t i = 0; i < found_.log.segments.size(); ++i) {
      const SegmentSummary& one = found_.log.segments[i];
      report["segments"].push_back({{"file", directory_.below(one.path)},
                                    {"bytes", one.file_bytes},
                                    {"used", one.used},
                                    {"base", one.base},
                                    {"last_revision", one.last},
                                    {"records", one.records},
                                    {"counts", i < found_.log.counted}});
    }
  }

  void add_state(Json& report) const {
    report["revision"] = found_.revision;
    report["keys"] = found_.state.keys().size();
    report["digest"] = hex(found_.state.digest());
    report["request_ids"] = found_.state.requests().size();
    report["records_replayed"] = found_.records_applied;
  }

  void say_manifest(Screen& screen) const {
    const ManifestPage& page = *found_.manifest;
    screen.say("MANIFEST: store {}, generation {}, mode {}, last stop {}", hex(page.store_id), page.generation,
               page.mode, page.clean ? "clean" : "not clean");
    if (!page.unfinished) return;
    const UnfinishedSwitch& found = *page.unfinished;
    if (!page.has_accepted_change()) {
      screen.say("a switch from {} to {} failed: a start does not try it again", found.from, found.to);
    } else if (found.from == found.to) {
      screen.say("a change of settings was accepted: a start carries it out");
    } else {
      screen.say("an unfinished switch from {} to {} ({}): a start undoes it and begins again", found.from, found.to,
                 found.phase);
    }
  }

  void say_snapshots(Screen& screen) const {
    for (const SnapshotSummary& one : found_.snapshots) {
      screen.say("{}: revision {}, {} keys, {}: {}{}", one.file, one.cut, one.keys, about(one.bytes), word(one.verdict),
                 one.loaded ? ", loaded" : "");
    }
  }

  void say_segments(Screen& screen) const {
    for (std::size_t i = 0; i < found_.log.segments.size(); ++i) {
      const SegmentSummary& one = found_.log.segments[i];
      const std::string file = directory_.below(one.path);
      if (i >= found_.log.counted) {
        screen.say("{}: {}", file, one.started ? "does not count" : "prepared, holds nothing yet");
      } else {
        screen.say("{}: revisions {} to {}, {} records, {} of {} used", file, one.base + 1, one.last, one.records,
                   about(one.used), about(one.file_bytes));
      }
    }
  }

  void say_side_files(Screen& screen) const {
    using Now = Examination::SetAside::Now;
    for (const Examination::SetAside& one : found_.set_aside) {
      if (one.now == Now::kToRename) {
        screen.say("SET_ASIDE: a start keeps {} as {}", one.file.file, one.file.as);
      } else {
        screen.say("SET_ASIDE: {} is {}: a start leaves it so", one.file.file, word(one.now));
      }
    }
    for (const AcceptedLoss& loss : found_.accepted) {
      screen.say("RECOVERY.{}: a start of {} went on without what was damaged, at revision {}; lost: {}", loss.token,
                 harmless(loss.time), loss.revision, harmless(loss.lost));
    }
  }

  void say_tail(Screen& screen) const {
    if (!found_.torn()) return;
    const TornTail& tail = *found_.log.end;
    screen.say("torn tail: {} ends at offset {}, {} bytes beyond it do not count, last revision {} ({})",
               directory_.below(tail.file), tail.offset, tail.bytes, tail.last_revision, tail.why);
  }

  void say_verdict(Screen& screen) const {
    switch (found_.start) {
      case Examination::Start::kFresh:
        return screen.line("a start begins with an empty store: there is no data here");
      case Examination::Start::kRefuses:
        return screen.line(
            "a start REFUSES this directory (exit 3): kvstore_tool repair makes a sound copy; kvstore_server "
            "--recover-only says whether there is a state to go on with, and gives the token for it");
      case Examination::Start::kServes:
        break;
    }
    screen.say("a start serves {} keys at revision {}, digest {}", found_.state.keys().size(), found_.revision,
               hex(found_.state.digest()));
    if (!found_.state.requests().empty()) {
      screen.say("and finds {} request ids, of which it knows those that are young enough",
                 found_.state.requests().size());
    }
    screen.line(found_.sound() ? "sound" : "damaged, see above");
  }

  const DirectoryPage& directory_;
  const Examination& found_;
};

}  // namespace

ExitCode check(FileSystem& fs, const Words& words, Screen& screen) {
  const auto directory = DirectoryPage::open(fs, words.path);
  if (!directory.ok()) return failed(screen, directory.status());
  const auto found = examine(fs, **directory, {.deep = words.deep}, screen.progress());
  if (!found.ok()) return failed(screen, found.status());
  const Report report(**directory, *found);
  if (screen.json()) {
    screen.object(report.json());
  } else {
    report.human(screen);
  }
  return found->sound() ? ExitCode::kDone : ExitCode::kDamage;
}

}  // namespace kv::tools
