// dump FILE: what stands in a segment, a snapshot or a MANIFEST, one JSON object a line; what is damaged is said in its
// place and passed over.
#include <algorithm>

#include "absl/strings/escaping.h"
#include "core/absl_text.h"
#include "core/error.h"
#include "tools/commands.h"
#include "tools/manifest_page.h"
#include "tools/segment_page.h"
#include "tools/snapshot_page.h"

namespace kv::tools {
namespace {

namespace format = snapshot_format;

std::string_view word(MutationKind kind) {
  switch (kind) {
    case MutationKind::kSet:
      return "set";
    case MutationKind::kDelete:
      return "delete";
    case MutationKind::kExpire:
      return "expire";
    case MutationKind::kEvict:
      return "evict";
    case MutationKind::kSetExpiry:
      return "set_expiry";
  }
  return "";
}

std::string_view word(ValueType type) {
  switch (type) {
    case ValueType::kString:
      return "string";
    case ValueType::kHash:
      return "hash";
    case ValueType::kList:
      return "list";
    case ValueType::kSet:
      return "set";
    case ValueType::kSortedSet:
      return "sorted_set";
  }
  return "";
}

Json json_of(const Mutation& mutation) {
  Json object = {{"kind", word(mutation.kind)}};
  put_bytes(object, "key", mutation.key);
  if (mutation.kind == MutationKind::kSet) {
    object["type"] = word(mutation.type);
    put_bytes(object, "value", mutation.value);
  }
  if (mutation.expire_at != kNoExpiry) object["expire_at"] = mutation.expire_at;
  return object;
}

// The fields that a record of the log and a snapshot share.
Json json_of(const format::RequestIdRecord& request) {
  return {{"id", absl::BytesToHexString(to_absl(as_text(request.id)))},
          {"hash", hex(request.request_hash)},
          {"flags", request.flags},
          {"added", request.added},
          {"value", request.value}};
}

Json json_of(const RecordFacts& record) {
  Json object = {
      {"offset", record.offset}, {"record", record.revision}, {"bytes", record.bytes}, {"clock", record.clock}};
  if (record.request) {
    const RequestFacts& request = *record.request;
    object["request"] = json_of(format::RequestIdRecord{.id = request.id,
                                                        .request_hash = request.hash,
                                                        .added = request.added,
                                                        .value = request.value,
                                                        .flags = static_cast<std::uint8_t>(request.flags)});
  }
  object["mutations"] = Json::array();
  for (const Mutation& mutation : record.mutations) object["mutations"].push_back(json_of(mutation));
  return object;
}

Json json_of(const SegmentHead& head) {
  Json object = {{"segment", head.number}, {"store_id", hex(head.store_id)}, {"prepared", head.prepared}};
  object["start"] = nullptr;
  if (head.start) {
    object["start"] = {{"base", head.start->base_revision},
                       {"predecessor", head.start->predecessor_number},
                       {"predecessor_used", head.start->predecessor_used},
                       {"predecessor_last_revision", head.start->predecessor_last_revision},
                       {"predecessor_digest", to_hex(head.start->predecessor_digest)},
                       {"started", head.start->started_ms}};
  } else if (!head.start_blank) {
    object["start"] = "damaged";
  }
  return object;
}

Json json_of(const BatchFacts& batch) {
  return {{"offset", batch.offset},
          {"batch", batch.header.first_revision},
          {"records", batch.header.record_count},
          {"payload_bytes", batch.header.payload_bytes},
          {"durable", batch.header.durable_watermark},
          {"clock", batch.header.clock_ms}};
}

// One dump; each part says whether it met damage.
class Dumping {
 public:
  Dumping(FileView& file, std::uint64_t from, Screen& screen) : file_(file), from_(from), screen_(screen) {}

  absl::StatusOr<bool> segment() {
    const auto head = read_segment_head(file_);
    if (!head.ok()) return head.status();
    if (from_ == 0) {
      screen_.object(json_of(*head));
      damaged_ = !head->start && !head->start_blank;
    }
    std::uint64_t at = std::max<std::uint64_t>(from_, kSegmentHeaderBytes);
    while (true) {
      const auto batch = find_batch(file_, head->seed, at);
      if (!batch.ok()) return batch.status();
      const auto skipped_to = *batch ? absl::StatusOr<std::uint64_t>((*batch)->offset) : end_of_bytes(file_, at);
      if (!skipped_to.ok()) return skipped_to.status();
      // From an offset in the middle the first bytes belong to a batch that began before it.
      if (*skipped_to > at && !(at == from_ && *batch)) bad(at, *skipped_to, "no batch");
      if (!*batch) return damaged_;
      const auto end = batches(head->seed, (*batch)->offset);
      if (!end.ok()) return end.status();
      at = *end;
    }
  }

  absl::StatusOr<bool> snapshot() {
    std::uint64_t seed = 0;
    const auto header = read_snapshot_header(file_, seed);
    if (!header.ok()) return header.status();
    if (from_ == 0) {
      screen_.object({{"snapshot", header->number},
                      {"store_id", hex(header->store_id)},
                      {"cut", header->cut},
                      {"created", header->created},
                      {"clock", header->clock}});
    }
    const std::uint64_t end = file_.size() - std::min<std::uint64_t>(file_.size(), format::kFooterBytes);
    for (std::uint64_t at = format::kFileHeaderBytes; at < end;) {
      const auto block = read_block_header(file_, at);
      if (is_damage(block.status())) {
        bad(at, end, facts_of(block.status())["what"]);
        break;
      }
      if (!block.ok()) return block.status();
      const std::uint64_t bytes = format::kBlockHeaderBytes + block->header.stored_bytes;
      if (at + bytes > from_) {
        if (absl::Status shown = show_block(*block, seed, header->cut); !shown.ok()) return shown;
      }
      at += std::min(bytes, end - at);
    }
    return damaged_;
  }

 private:
  void bad(std::uint64_t from, std::uint64_t to, std::string_view why) {
    damaged_ = true;
    screen_.object({{"offset", from}, {"damaged_bytes", to - from}, {"what", why}});
  }

  // From one batch on as far as it goes; where it ends.
  absl::StatusOr<std::uint64_t> batches(std::uint64_t seed, std::uint64_t at) {
    SegmentWalk walk(file_, seed, at, std::nullopt, std::nullopt);
    while (true) {
      const auto step = walk.next();
      if (is_damage(step.status())) {
        bad(walk.position(), walk.position() + kBatchAlignment, facts_of(step.status())["what"]);
        return walk.position() + kBatchAlignment;
      }
      if (!step.ok()) return step.status();
      if (*step == SegmentWalk::Step::kBatch) screen_.object(json_of(walk.batch()));
      if (*step == SegmentWalk::Step::kRecord) screen_.object(json_of(walk.record()));
      if (*step == SegmentWalk::Step::kBad || *step == SegmentWalk::Step::kEnd) return walk.position();
    }
  }

  absl::Status show_block(const SnapshotBlockFacts& block, std::uint64_t seed, Revision cut) {
    const auto payload = read_block_payload(file_, seed, block);
    if (is_damage(payload.status())) {
      bad(block.offset, block.offset + format::kBlockHeaderBytes + block.header.stored_bytes,
          facts_of(payload.status())["what"]);
      return absl::OkStatus();
    }
    if (!payload.ok()) return payload.status();
    screen_.object({{"offset", block.offset},
                    {"block", block.header.index},
                    {"kind", block.header.kind == format::BlockKind::kEntries ? "entries" : "request_ids"},
                    {"count", block.header.count},
                    {"bytes", block.header.stored_bytes}});
    SnapshotVisitor visitor;
    visitor.entry = [this](std::uint64_t offset, std::string_view key, const KeyState& facts, std::string_view value) {
      Json object = {{"offset", offset}};
      put_bytes(object, "key", key);
      object["type"] = word(facts.type);
      put_bytes(object, "value", value);
      object["version"] = facts.version;
      object["create_version"] = facts.create_version;
      if (facts.expire_at != kNoExpiry) object["expire_at"] = facts.expire_at;
      screen_.object(object);
      return absl::OkStatus();
    };
    visitor.request = [this](std::uint64_t offset, const format::RequestIdRecord& request) {
      screen_.object(
          {{"offset", offset}, {"request", json_of(request)}, {"revision", request.revision}, {"time", request.time}});
    };
    BlockTotals totals;
    const absl::Status read = read_entries(file_, block, *payload, cut, visitor, totals);
    if (is_damage(read)) bad(block.offset, block.offset, facts_of(read)["what"]);
    return is_damage(read) ? absl::OkStatus() : read;
  }

  FileView& file_;
  const std::uint64_t from_;
  Screen& screen_;
  bool damaged_ = false;
};

// By its first bytes, whatever its name is.
absl::StatusOr<bool> dump_file(FileSystem& fs, const Words& words, Screen& screen) {
  const auto file = FileView::open(fs, words.path);
  if (errno_of(file.status()) == ENOENT) return absl::NotFoundError(fmt::format("there is no file {}", words.path));
  if (!file.ok()) return file.status();
  const auto begin = (*file)->view(0, sizeof kSegmentMagic);
  if (!begin.ok()) return begin.status();
  Dumping dumping(**file, words.from.value_or(0), screen);
  if (begin->size() == sizeof kSegmentMagic) {
    if (as_text(*begin) == std::string_view(format::kFileMagic.data(), format::kFileMagic.size()))
      return dumping.snapshot();
    if (load<std::uint64_t>(begin->data()) == kSegmentMagic) return dumping.segment();
  }
  if (begin->empty() || (*begin)[0] != std::byte{'{'}) {
    return absl::InvalidArgumentError(
        fmt::format("{} begins like no file of ours: neither segment, snapshot nor MANIFEST", words.path));
  }
  const auto text = read_file(fs, words.path, kManifestBytesMax);
  if (!text.ok()) return text.status();
  const auto page = read_manifest_page(*text, words.path);
  if (!page.ok()) return page.status();
  screen.object(Json::parse(text->substr(0, text->size() - kManifestChecksumLineBytes)));
  return false;
}

}  // namespace

ExitCode dump(FileSystem& fs, const Words& words, Screen& screen) {
  const auto damaged = dump_file(fs, words, screen);
  if (!damaged.ok()) return failed(screen, damaged.status());
  return *damaged ? ExitCode::kDamage : ExitCode::kDone;
}

}  // namespace kv::tools
