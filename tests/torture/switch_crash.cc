#include "tests/torture/switch_crash.h"

#include "tests/persistence/storage_story.h"
#include "tests/torture/run.h"

namespace kv {
namespace {

constexpr std::uint64_t kWritesBesideMax = 1000;  // Where nothing waits for a disk, there would be no end.

}  // namespace

Survivors survivors(std::uint64_t dice, std::uint64_t seed) {
  switch (dice % 4) {
    case 0:
      return {Survivors::Which::kNone, 0, 0, 0};
    case 1:
      return {Survivors::Which::kAll, 0, 0, 0};
    case 2:
      return {Survivors::Which::kOnlyNames, 0, 0, 0};
    default:
      return {Survivors::Which::kRandom, 0, 0, seed};
  }
}

std::string text_of(const Data& data) {
  std::string text;
  for (const auto& [key, value] : data) text += key + "=" + value.substr(0, 100) + " ";
  return text.empty() ? "nothing" : text;
}

void set_up_for_switches(StorageFixture& server, FaultyFileSystem& disk) {
  set_up_for_work(server);
  server.use(disk);
}

bool write(StorageFixture& server, Promise& promise, const std::string& key, const std::optional<std::string>& value) {
  promise.sent(key, value ? std::optional(shown_value(*value)) : value);
  const Mutation mutation{.kind = value ? MutationKind::kSet : MutationKind::kDelete,
                          .key = key,
                          .value = value ? std::string_view(*value) : std::string_view()};
  if (!server.try_record(std::span(&mutation, 1)).ok()) {
    if (!server.last_applied()) promise.taken_back();
    return false;
  }
  promise.acknowledged(server.last_level());
  return true;
}

WriterBeside::WriterBeside(StorageFixture& server, Promise& promise, std::uint64_t& values)
    : server_(server),
      promise_(promise),
      values_(values),
      answered_(promise.sent_count()),
      sent_(promise.sent_count()) {
  std::promise<void> first;
  thread_ = std::thread([this, &first] { run(first); });
  first.get_future().wait();
}

void WriterBeside::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void WriterBeside::run(std::promise<void>& first) {
  bool going_on = one(0);
  first.set_value();
  for (std::uint64_t n = 1; going_on && n < kWritesBesideMax && !stopping_; ++n) going_on = one(n);
}

bool WriterBeside::one(std::uint64_t number) {
  const std::string key = fmt::format("k{}", number % 6);
  std::optional<std::string> value = fmt::format("v{}", ++values_);
  if (number % 16 == 15) value = large(*value);
  if (number % 5 == 4) value.reset();
  sent_ = promise_.sent_count() + 1;
  if (!write(server_, promise_, key, value)) return false;
  answered_ = promise_.sent_count();
  return true;
}

AimedCut::AimedCut(FaultyFileSystem& disk) : disk_(disk) {
  disk.on_call([&disk, calls = calls_, cut_at = cut_at_, torn = torn_bytes_](DiskCall call, const std::string& path) {
    if ((call == DiskCall::kWrite || call == DiskCall::kSyncData) && path.ends_with(".aof")) return;
    if (++*calls == *cut_at) disk.power_off_at(disk.calls() + 1, *torn);
  });
}

void AimedCut::aim(std::uint64_t call, std::size_t torn_bytes) {
  *torn_bytes_ = torn_bytes;
  *cut_at_ = *calls_ + call;
}

namespace {

std::optional<SwitchRecord> switch_under_way(const Manifest& manifest) {
  if (!manifest.mode_switch || manifest.mode_switch->phase == SwitchPhase::kFailed) return std::nullopt;
  if (manifest.mode_switch->phase == SwitchPhase::kDual) TortureRun::get().count("found_in_dual");
  return manifest.mode_switch;
}

}  // namespace

Data start_again(StorageFixture& server, Promise& promise, const JudgeFound& judge) {
  const std::optional<SwitchRecord> under_way = switch_under_way(server.manifest());
  server.start();
  Data found = shown(server);
  judge(found);
  if (!under_way) {
    promise.restart(found, server.storage().status().settings.mode);
    return found;
  }
  const absl::Status done = server.change(StorageFixture::to(under_way->to));
  INFO("the start goes on with a switch to " << word(under_way->to) << ": " << done.ToString());
  REQUIRE(done.ok());
  promise.restart(found, under_way->to);
  TortureRun::get().count("resumed_switches");
  return found;
}

std::unique_ptr<FaultyFileSystem> cut_start(FaultyFileSystem& disk, Mode given, std::uint64_t call,
                                            const Survivors& lost, Promise& promise, Promise::UnderWay& under_way,
                                            const JudgeFound& judge) {
  StorageFixture server(given);
  set_up_for_switches(server, disk);
  const Manifest before = server.manifest();
  const std::optional<SwitchRecord> resumed = switch_under_way(before);
  disk.power_off_at(disk.calls() + call, call * 37 % 300);
  const bool served = server.open().ok();
  TortureRun::get().count(served ? "starts_not_cut" : "starts_cut");
  if (served) {
    const Data found = shown(server);
    judge(found);
    promise.restart(found, before.mode);
    under_way = {};
    if (resumed) under_way.to = resumed->to;
  }
  server.kill();
  return disk.after_crash(lost);
}

}  // namespace kv
