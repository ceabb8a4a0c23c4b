#include "tests/persistence/storage_story.h"

#include <algorithm>

#include <fmt/format.h>

namespace kv {
namespace {

using In = WorkEnd::In;

constexpr std::size_t kLargeBytes = 300'000;
constexpr char kFilling = '.';

WriteHistory::Change put(std::string key, std::string value, UnixMillis expire_at = kNoExpiry) {
  WriteHistory::Change change;
  change.key = std::move(key);
  change.value = std::move(value);
  change.expire_at = expire_at;
  return change;
}

WriteHistory::Change erase(std::string key) {
  WriteHistory::Change change;
  change.key = std::move(key);
  return change;
}

struct Kept {
  std::string text;
  UnixMillis expire_at = kNoExpiry;
};
using State = std::map<std::string, Kept>;

void apply(const WriteHistory::Write& write, State& state) {
  for (const WriteHistory::Change& change : write.changes) {
    if (change.value) state[change.key] = {shown_value(*change.value, change.expire_at), change.expire_at};
    if (!change.value) state.erase(change.key);
  }
}

Data visible(const State& state, UnixMillis now) {
  Data data;
  for (const auto& [key, kept] : state) {
    if (kept.expire_at == kNoExpiry || kept.expire_at > now) data[key] = kept.text;
  }
  return data;
}

std::string text_of(const Data& data) {
  std::string text;
  for (const auto& [key, value] : data) text += key + "=" + value.substr(0, 100) + " ";
  return text.empty() ? "nothing" : text;
}

class Work {
 public:
  Work(StorageFixture& server, WriteHistory& history) : server_(server), history_(history) {}

  WorkEnd tell() {
    history_.clock = server_.clock_.now();
    if (start() && in_hybrid() && start_after_kill() && switches() && snapshot() && small(2)) stop();
    return end_;
  }

 private:
  bool ended(In in, absl::Status status, bool applied = false) {
    end_ = {in, std::move(status), applied};
    return end_.completed();
  }

  bool start() { return ended(In::kStart, server_.open()); }
  // What was acknowledged in HYBRID is there after a kill, and nothing else is.
  bool start_after_kill() {
    server_.kill();
    if (!start()) return false;
    const Data found = shown(server_);
    INFO("after a kill in the middle: " << text_of(found));
    REQUIRE(history_.allows(found));
    history_.restarted(found);
    return true;
  }
  bool stop() { return ended(In::kStop, server_.stop()); }

  bool record(std::vector<WriteHistory::Change> changes) {
    std::vector<Mutation> mutations;
    for (const WriteHistory::Change& change : changes) {
      mutations.push_back({.kind = change.value ? MutationKind::kSet : MutationKind::kDelete,
                           .expire_at = change.expire_at,
                           .key = change.key,
                           .value = change.value ? std::string_view(*change.value) : std::string_view()});
    }
    history_.writes.push_back({changes, server_.clock_.now()});
    const auto revision = server_.try_record(mutations);
    if (!revision.ok()) {
      const bool applied = server_.last_applied();
      if (!applied) history_.writes.pop_back();
      return ended(In::kWrite, revision.status(), applied);
    }
    history_.revision = *revision;
    if (server_.last_level() == Level::kDisk) history_.safe = history_.writes.size();
    return true;
  }
  bool small(int count) {
    for (int i = 0; i < count; ++i, ++values_) {
      if (!record({put(fmt::format("key{}", values_ % 5), fmt::format("value{}", values_))})) return false;
    }
    return true;
  }
  // More than a segment holds.
  bool rotation() {
    for (int i = 0; i < 4; ++i, ++values_) {
      if (!record({put(fmt::format("large{}", values_ % 2), large(fmt::format("value{}", values_)))})) return false;
    }
    return true;
  }
  bool two_keys() {
    const std::string value = fmt::format("both{}", values_++);
    return record({put("left", value), put("right", value)});
  }
  // In SNAPSHOT mode what a snapshot holds is safe, and only that.
  bool snapshot() {
    const std::size_t before = history_.writes.size();
    if (!ended(In::kSnapshot, server_.snapshot())) return false;
    history_.safe = before;
    return true;
  }
  bool to(Mode mode) { return ended(In::kSwitch, server_.change(StorageFixture::to(mode))); }

  bool in_hybrid() {
    const UnixMillis now = server_.clock_.now();
    if (!small(3) || !record({put("lease", "long", now + 3'600'000)})) return false;
    if (!record({put("soon", "short", now + 10'000)}) || !rotation() || !two_keys()) return false;
    if (!snapshot() || !record({erase("key0")})) return false;
    server_.clock_.advance(std::chrono::seconds(20));  // "soon" is due.
    history_.clock = server_.clock_.now();
    return small(2) && record({put("left", "alone"), erase("right")});
  }
  bool switches() {
    if (!to(Mode::kSnapshot) || !small(2) || !snapshot()) return false;
    if (!to(Mode::kAof) || !rotation() || !record({erase("large0")})) return false;
    if (!ended(In::kSnapshot, server_.rewrite().status()) || !small(1)) return false;
    if (!to(Mode::kHybrid) || !two_keys() || !to(Mode::kAof) || !small(2)) return false;
    return to(Mode::kSnapshot) && small(2) && snapshot() && to(Mode::kHybrid) && small(2);
  }

  StorageFixture& server_;
  WriteHistory& history_;
  WorkEnd end_;
  int values_ = 0;
};

}  // namespace

std::string large(const std::string& text) { return text + std::string(kLargeBytes - text.size(), kFilling); }

// A value with a wrong byte in its filling stays as it is, and equals nothing that was written.
std::string shown_value(std::string_view value, UnixMillis expire_at) {
  std::string text(value);
  const std::size_t filled = value.find(kFilling);
  if (filled != value.npos && value.find_first_not_of(kFilling, filled) == value.npos) {
    text = fmt::format("{}*{}", value.substr(0, filled), value.size());
  }
  if (expire_at != kNoExpiry) text += fmt::format(" until {}", expire_at);
  return text;
}

std::optional<std::size_t> WriteHistory::count_in(const Data& found) const {
  std::optional<std::size_t> last;  // Of several, what a kill leaves.
  State state;
  for (std::size_t n = 0; n <= writes.size(); ++n) {
    if (n > 0) apply(writes[n - 1], state);
    const UnixMillis sent = n > 0 ? writes[n - 1].clock : 0;
    if (n >= safe && (visible(state, sent) == found || visible(state, clock) == found)) last = n;
  }
  return last;
}

void WriteHistory::restarted(const Data& found) {
  if (const auto count = count_in(found)) {
    writes.resize(*count);
    safe = *count;
  }
}

Data shown(const StorageFixture& server) {
  Data data = server.data();
  const std::map<std::string, UnixMillis> expiries = server.expiries();
  for (auto& [key, value] : data) {
    const auto due = expiries.find(key);
    value = shown_value(value, due == expiries.end() ? kNoExpiry : due->second);
  }
  return data;
}

void set_up_for_work(StorageFixture& server) { server.give("log-segment-size", "1MiB"); }

WorkEnd work(StorageFixture& server, WriteHistory& history) { return Work(server, history).tell(); }

void judge(FileSystem& disk, const WriteHistory& history) {
  StorageFixture server;
  set_up_for_work(server);
  server.use(disk);
  server.start();
  const Data found = shown(server);
  if (!history.allows(found)) {
    FAIL("not a state that may be: " << text_of(found) << " with " << history.safe << " of " << history.writes.size()
                                     << " safe");
  }
  // It goes on from there, above every number that was ever shown, and what is due by the next start is gone for good.
  CHECK(server.put("again", "1") > history.revision);
  Data expected = found;
  expected.erase("lease");
  expected.erase("soon");
  expected["again"] = "1";
  server.clock_.advance(std::chrono::hours(2));
  server.restart();
  CHECK(shown(server) == expected);
}

}  // namespace kv
