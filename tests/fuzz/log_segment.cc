// A segment of the log: the server's reader and the tool's must find the same records up to the same place.
#include <fmt/format.h>

#include "core/absl_text.h"
#include "persistence/log_reader.h"
#include "tests/fuzz/memory_disk.h"
#include "tests/fuzz/seal.h"
#include "tests/fuzz/target.h"
#include "tools/segment_page.h"

namespace kv::fuzz {
namespace {

struct Reading {
  std::uint64_t records = 0;
  Digest128 content;         // of all records, in order
  std::uint64_t end = 0;     // the first place that is not good
  bool contradicts = false;  // damage that proves itself
  friend bool operator==(const Reading&, const Reading&) = default;
};

std::string text_of(const Reading& reading) {
  return fmt::format("{} records ({}), end {}, contradiction {}", reading.records, to_hex(reading.content), reading.end,
                     reading.contradicts);
}

void add(DigestStream& digest, Revision revision, std::span<const Mutation> mutations) {
  const auto number = [&](std::uint64_t value) { digest.update(std::as_bytes(std::span(&value, 1))); };
  number(revision);
  for (const Mutation& mutation : mutations) {
    number(mutation.key.size());
    digest.update(as_bytes(mutation.key));
    number(mutation.value.size());
    digest.update(as_bytes(mutation.value));
    number(static_cast<std::uint64_t>(mutation.expire_at));
  }
}

std::optional<Reading> as_the_server_reads(FileSystem& disk, const std::string& directory, const StoreId& id,
                                           std::uint64_t number) {
  auto reader = SegmentReader::open(disk, directory, id, number);
  if (!reader.ok() || !(*reader)->started()) return std::nullopt;
  Reading reading;
  DigestStream digest;
  const auto stop = (*reader)->read(std::nullopt, [&](const LogRecord& record, Bytes) {
    ++reading.records;
    add(digest, record.revision, record.mutations);
    return SegmentReader::After::kGoOn;
  });
  reading.contradicts = !stop.ok();
  reading.content = digest.value();
  if (stop.ok()) {
    reading.end = (*reader)->end().used;
    if (auto scan = (*reader)->scan(reading.end); !scan.ok()) wrong("scan: " + scan.status().ToString());
  }
  return reading;
}

std::optional<Reading> as_the_tool_reads(FileSystem& disk, const std::string& path) {
  auto file = tools::FileView::open(disk, path);
  if (!file.ok()) wrong("open");
  const auto head = tools::read_segment_head(**file);
  if (!head.ok() || !head->start || head->version != kLogFormatVersion) return std::nullopt;
  Reading reading;
  DigestStream digest;
  tools::SegmentWalk walk(**file, head->seed, kSegmentHeaderBytes, std::nullopt, head->start->base_revision);
  using Step = tools::SegmentWalk::Step;
  while (true) {
    const absl::StatusOr<Step> step = walk.next();
    reading.contradicts = !step.ok();
    if (!step.ok() || *step == Step::kEnd || *step == Step::kBad) break;
    if (*step != Step::kRecord) continue;
    ++reading.records;
    add(digest, walk.record().revision, walk.record().mutations);
  }
  reading.content = digest.value();
  if (!reading.contradicts) reading.end = walk.position();
  return reading;
}

void read_both(Bytes file) {
  SegmentIdentity identity;
  if (file.size() < kIdentityBytes || !kv::decode(file.first<kIdentityBytes>(), identity)) return;
  const std::string path = "/aof/" + segment_name(identity.number);
  MemoryDisk disk(file, path);
  const auto server = as_the_server_reads(disk, "/aof", identity.store_id, identity.number);
  const auto tool = as_the_tool_reads(disk, path);
  if (server && server->records > 0) ++taken;
  if (server == tool) return;
  wrong(fmt::format("server: {}; tool: {}", server ? text_of(*server) : "nothing", tool ? text_of(*tool) : "nothing"));
}

}  // namespace

void decode(Bytes input) {
  read_both(input);
  std::vector<std::byte> sealed(input.begin(), input.end());
  seal_segment(sealed);
  read_both(sealed);
}

}  // namespace kv::fuzz
