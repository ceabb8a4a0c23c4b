#include "tests/tools/rotated_log.h"

#include <array>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "persistence/manifest.h"

namespace kv {

RotatedLog::RotatedLog() {
  store_id_.fill(std::byte{9});
  REQUIRE(fs_.make_directory(kDisk).ok());
  REQUIRE(fs_.make_directory(std::string(kDisk) + "/aof").ok());
}

void RotatedLog::segment() {
  const SegmentEnd before = writer_ ? writer_->end() : SegmentEnd{};
  const SegmentIdentity identity{.store_id = store_id_, .number = ++count_, .created_ms = 1};
  auto created = SegmentWriter::create(fs_, std::string(kDisk) + "/aof", identity, 4096, 512);
  REQUIRE(created.ok());
  writer_ = *std::move(created);
  REQUIRE(writer_->start(last_, before, 2).ok());
}

void RotatedLog::batch(int records, Revision watermark) {
  std::vector<std::byte> bytes(kBatchHeaderBytes);
  BatchHeader header{.first_revision = last_ + 1, .durable_watermark = watermark, .clock_ms = 3};
  header.record_count = static_cast<std::uint32_t>(records);
  for (int i = 0; i < records; ++i) {
    const std::string value = fmt::format("value {}", ++last_);
    const std::array<Mutation, 2> mutations{Mutation{.key = "key", .value = value},
                                            last_ % 2 == 0
                                                ? Mutation{.kind = MutationKind::kDelete, .key = "other", .value = {}}
                                                : Mutation{.key = "other", .value = value}};
    const std::size_t at = bytes.size();
    bytes.resize(at + record_bytes_of(mutations, nullptr));
    encode_record(last_, mutations, nullptr, std::span(bytes).subspan(at));
    for (const Mutation& mutation : mutations) store_.apply(mutation, last_);
    history_.note(last_, {.digest = store_.totals().digest, .keys = store_.totals().keys});
  }
  header.payload_bytes = static_cast<std::uint32_t>(bytes.size() - kBatchHeaderBytes);
  writer_->seal(bytes, header);
  REQUIRE(writer_->write(bytes, last_).ok());
}

Files RotatedLog::files() const {
  Files files;
  for (std::uint64_t number = 1; number <= count_; ++number) {
    files["aof/" + segment_name(number)] = *fs_.contents(fmt::format("{}/aof/{}", kDisk, segment_name(number)));
  }
  Manifest manifest;
  manifest.store_id = store_id_;
  manifest.mode = Mode::kAof;
  manifest.revision_ceiling = 1000;
  manifest.segments.add(1, count_);
  manifest.next_segment = count_ + 1;
  files["MANIFEST"] = to_text(manifest);
  return files;
}

}  // namespace kv
