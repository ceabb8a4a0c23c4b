#include "tests/tools/sweep.h"

#include <random>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "persistence/manifest.h"
#include "tests/tools/rotated_log.h"

namespace kv {

void StateHistory::note(StorageFixture& server) {
  const StoreTotals totals = server.totals();
  note(server.storage().journal().applied(),
       {.digest = totals.digest, .keys = totals.keys, .request_ids = server.request_ids()});
}

StateHistory::State StateHistory::at(std::uint64_t revision) const {
  return std::prev(states_.upper_bound(revision))->second;
}

void live_in(StorageFixture& server, StateHistory& history) {
  const auto noted = [&](auto&&) { history.note(server); };
  const auto put = [&](const std::string& key, const std::string& value) { noted(server.put(key, value)); };
  server.start();
  const bool snapshots = server.manifest().mode != Mode::kNonPersistent;
  for (const char* key : {"a0", "a1", "a2"}) put(key, "first");
  if (snapshots) REQUIRE(server.snapshot().ok());
  for (const char* key : {"b0", "b1", "b2"}) put(key, "second");
  noted(server.erase("a1"));
  noted(server.put_once({.id = {std::byte{1}}, .request_hash = 2, .applied = true}, "once", "1"));
  noted(server.remember({.id = {std::byte{2}}, .request_hash = 3, .value = -1}));
  server.kill_and_start();
  put("c", std::string("\0 bytes \xff", 9));
  if (server.manifest().mode == Mode::kHybrid) REQUIRE(server.snapshot().ok());
  put("b1", "changed");
  put("a0", "changed");
}

namespace {

using Start = Verdict::Start;

std::string folder_of(const std::string& name) { return name.substr(0, name.find('/') + 1); }

// A name in the same folder that MANIFEST does not name.
std::string unnamed(const std::string& name) {
  const std::size_t digits = name.find_first_of("0123456789");
  return digits == name.npos ? name + ".copy" : name.substr(0, digits) + "0000000000000099" + name.substr(digits + 16);
}

class Sweep {
 public:
  Sweep(const SweptDirectory& directory, const SweepPlan& plan)
      : directory_(directory),
        plan_(plan),
        random_(plan.seed),
        damaged_(directory.files),
        before_(agreed(directory.files, directory.name + ", untouched")) {}

  SweepCounts run() {
    REQUIRE(before_.start == Start::kServes);
    judge(before_, Kind::kOther, 0);
    counts_.same = 0;
    for (const auto& [name, bytes] : directory_.files) {
      counts_.bits += bytes.size() * 8;
      counts_.lengths += bytes.size();
    }
    for (const auto& file : directory_.files) {
      const std::string& name = file.first;
      const std::string& bytes = file.second;
      if (!flip(name, bytes) || !cut(name, bytes) || !append(name, bytes) || !mix_up(name, bytes)) break;
      if (!damage(name + " is missing", [&] { damaged_.erase(name); })) break;
    }
    return counts_;
  }

 private:
  // Does it, asks, judges, and puts everything back. False: enough.
  enum class Kind { kBit, kCut, kOther };
  template <typename Damage>
  bool damage(const std::string& what, Damage&& make, Kind kind = Kind::kOther, std::size_t size = 0) {
    const std::string piece = directory_.name + ": " + what;
    if (!plan_.go_on(piece)) return false;
    make();
    const Verdict now = agreed(damaged_, piece);
    INFO(piece << ": " << text_of(now));
    judge(now, kind, size);
    if (now.start == Start::kRefuses) go_on_without();
    if (kind != Kind::kBit) damaged_ = directory_.files;  // Copying them for every bit would take longest.
    return true;
  }

  bool flip(const std::string& name, const std::string& bytes) {
    std::string& here = damaged_[name];
    for (std::size_t bit = turn_++ % plan_.step; bit < bytes.size() * 8; bit += plan_.step) {
      const auto turn = [&] { here[bit / 8] = static_cast<char>(here[bit / 8] ^ (1 << (bit % 8))); };
      flipped_in_ = name;
      if (!damage(fmt::format("bit {} of byte {} of {}", bit % 8, bit / 8, name), turn, Kind::kBit)) return false;
      turn();
      ++counts_.bits_flipped;
    }
    return true;
  }

  bool cut(const std::string& name, const std::string& bytes) {
    for (std::size_t size = turn_ % plan_.step; size < bytes.size(); size += plan_.step) {
      const auto cut_here = [&] { damaged_[name].resize(size); };
      if (!damage(fmt::format("{} cut at {}", name, size), cut_here, Kind::kCut, size)) return false;
      ++counts_.lengths_cut;
    }
    return true;
  }

  bool append(const std::string& name, const std::string& bytes) {
    std::vector<std::pair<std::string, std::string>> tails;
    for (const std::size_t count : {1, 8, 4096}) tails.emplace_back("zeros", std::string(count, '\0'));
    for (const std::size_t count : {1, 7, 64, 300}) {
      std::string noise(count, '\0');
      for (char& byte : noise) byte = static_cast<char>(random_());
      tails.emplace_back("noise", std::move(noise));
    }
    for (const auto& [other, content] : directory_.files) {
      if (folder_of(other) != folder_of(name)) continue;
      tails.emplace_back("what " + other + " ends in", content.substr(content.size() - content.size() / 2));
    }
    tails.emplace_back("itself", bytes);
    for (const auto& kind_and_tail : tails) {
      const std::string& kind = kind_and_tail.first;
      const std::string& tail = kind_and_tail.second;
      if (!other(fmt::format("{} and {} bytes: {}", name, tail.size(), kind), [&] { damaged_[name] += tail; })) {
        return false;
      }
    }
    return true;
  }

  bool mix_up(const std::string& name, const std::string& bytes) {
    for (const auto& file : directory_.files) {
      const std::string& second = file.first;
      const std::string& content = file.second;
      if (folder_of(second) != folder_of(name) || second == name) continue;
      if (!other(name + " copied over " + second, [&] { damaged_[second] = bytes; })) return false;
      if (name < second && !other(name + " swapped with " + second, [&] {
            damaged_[second] = bytes;
            damaged_[name] = content;
          })) {
        return false;
      }
    }
    return other(name + " copied to " + unnamed(name), [&] { damaged_[unnamed(name)] = bytes; });
  }

  template <typename Damage>
  bool other(const std::string& what, Damage&& make) {
    ++counts_.other;
    return damage(what, make);
  }

  // `size`: that of a file which was cut.
  void judge(const Verdict& now, Kind kind, std::size_t size) {
    if (now.start == Start::kRefuses) {
      CHECK_FALSE(now.why.empty());
      if (kind == Kind::kBit) CHECK(now.file == flipped_in_);
      ++counts_.refused;
      return;
    }
    CHECK(now.start == Start::kServes);  // Never an empty start.
    const StateHistory::State served{.digest = now.digest, .keys = now.keys, .request_ids = now.request_ids};
    CHECK(served == directory_.history.at(now.revision));
    CHECK(now.revision <= before_.revision);
    if (now.passed_over) {
      CHECK(now.revision == before_.revision);
      ++counts_.older;
    } else if (now.revision == before_.revision) {
      ++counts_.same;
    } else if (kind == Kind::kCut && now.torn.empty()) {
      CHECK(now.log_end <= size);
      CHECK(size < now.log_end + kBatchAlignment);
      ++counts_.shorter;
    } else {
      CHECK_FALSE(now.torn.empty());
      if (kind == Kind::kBit) CHECK(now.revision >= before_.watermark);
      ++counts_.torn;
    }
  }

  void go_on_without() {
    const auto left = accepted(damaged_);
    if (!left) return;
    const StateHistory::State state{.digest = left->digest, .keys = left->keys, .request_ids = left->request_ids};
    CHECK(state == directory_.history.at(left->revision));
    CHECK(left->revision <= before_.revision);
    CHECK(left->vanished == std::vector<std::string>());
    ++counts_.accepted;
  }

  const SweptDirectory& directory_;
  const SweepPlan& plan_;
  std::mt19937_64 random_;
  Files damaged_;
  std::string flipped_in_;  // the file of the last flipped bit
  const Verdict before_;
  std::uint64_t turn_ = 0;  // Where steps begin, in each file another place.
  SweepCounts counts_;
};

}  // namespace

SweptDirectory lived_in(Mode mode) {
  SweptDirectory directory{.name = std::string(word(mode)), .files = {}, .history = {}};
  StorageFixture server(mode);
  if (mode == Mode::kAof) server.give("fsync", "never");  // A tail above the watermark.
  live_in(server, directory.history);
  if (mode == Mode::kSnapshot) REQUIRE(server.stop().ok());
  server.kill();
  directory.files = files_in(server.path(), 24);
  return directory;
}

SweptDirectory kept_segments() {
  SweptDirectory directory{.name = "SNAPSHOT with sealed segments", .files = {}, .history = {}};
  StorageFixture server(Mode::kAof);
  live_in(server, directory.history);
  REQUIRE(server.stop().ok());
  directory.files = files_in(server.path());
  Manifest manifest = server.manifest();
  manifest.mode = Mode::kSnapshot;  // What the switch's one MANIFEST says, with the log sealed behind its snapshot.
  directory.files["MANIFEST"] = to_text(manifest);
  return directory;
}

SweptDirectory rotated_log() {
  RotatedLog log;
  log.segment();
  log.batch(2, 0);
  log.batch(1, 2);
  log.segment();
  log.batch(1, 2);
  log.batch(0, 4);
  log.segment();
  log.batch(2, 4);
  log.jump_to(20);
  log.segment();
  log.batch(1, 6);
  log.segment();
  return {.name = "a rotated log", .files = log.files(), .history = log.history()};
}

SweepCounts sweep(const SweptDirectory& directory, const SweepPlan& plan) { return Sweep(directory, plan).run(); }

}  // namespace kv
