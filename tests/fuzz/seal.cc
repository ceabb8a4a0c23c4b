#include "tests/fuzz/seal.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "core/bytes.h"
#include "persistence/format/log_format.h"
#include "persistence/format/manifest_format.h"
#include "persistence/format/snapshot_format.h"

namespace kv::fuzz {
namespace {

using MutableBytes = std::span<std::byte>;

// The last eight bytes of a block are the checksum of what stands before.
void seal_block(MutableBytes block, std::uint64_t seed) {
  const std::size_t covered = block.size() - 8;
  store<std::uint64_t>(block.data() + covered, checksum64(block.first(covered), seed));
}

void seal_records(MutableBytes file, std::uint64_t from, std::uint64_t end, std::uint64_t seed) {
  while (end - from >= kRecordHeaderBytes) {
    const std::uint64_t bytes = load<std::uint32_t>(file.data() + from + 8);
    if (bytes < kRecordHeaderBytes || bytes > end - from) return;
    seal_record(file.subspan(from, bytes), seed, from);
    from += bytes;
  }
}

bool begins_with(MutableBytes bytes, std::span<const char> magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

}  // namespace

void seal_segment(MutableBytes file) {
  if (file.size() < kSegmentHeaderBytes) return;
  seal_block(file.first(kIdentityBytes), kIdentitySeed);
  const std::uint64_t number = load<std::uint64_t>(file.data() + 32);
  const std::uint64_t salt = load<std::uint64_t>(file.data() + 40);
  const std::uint64_t seed = segment_seed(salt, number);
  const MutableBytes start = file.subspan(kIdentityBytes, kStartBlockBytes);
  const bool blank = std::all_of(start.begin(), start.end(), [](std::byte b) { return b == std::byte{0}; });
  if (!blank) seal_block(start, seed + kIdentityBytes);

  std::uint64_t at = kSegmentHeaderBytes;
  while (at + kBatchHeaderBytes <= file.size() && load<std::uint32_t>(file.data() + at) == kBatchMagic) {
    seal_block(file.subspan(at, kBatchHeaderBytes), seed + at);
    const std::uint64_t payload = load<std::uint32_t>(file.data() + at + 4);
    const std::uint64_t begin = at + kBatchHeaderBytes;
    seal_records(file, begin, std::min<std::uint64_t>(file.size(), begin + payload), seed);
    at = align_batch(begin + payload);
  }
}

void seal_snapshot(MutableBytes file) {
  using namespace snapshot_format;
  if (file.size() < kFileHeaderBytes + kFooterBytes) return;
  seal_block(file.first(kFileHeaderBytes), 0);
  FileHeaderBytes header;
  std::memcpy(header.data(), file.data(), header.size());
  const Seed seed = seed_of(header);
  DigestStream digest;
  digest.update(header);

  const std::uint64_t end = file.size() - kFooterBytes;
  std::uint64_t at = kFileHeaderBytes;
  while (end - at >= kBlockHeaderBytes && begins_with(file.subspan(at), kBlockMagic)) {
    BlockHeaderBytes block;
    std::memcpy(block.data(), file.data() + at, block.size());
    const std::uint64_t payload = load<std::uint64_t>(block.data() + 8);
    if (payload > end - at - kBlockHeaderBytes) break;
    set_checksum(block, checksum64(file.subspan(at + kBlockHeaderBytes, payload), payload_seed(block, seed, at)));
    std::memcpy(file.data() + at, block.data(), block.size());
    digest.update(block);
    at += kBlockHeaderBytes + payload;
  }
  if (!begins_with(file.subspan(end), kFooterMagic)) return;
  // The length and the digest are checksums, too; the totals are fields.
  store<std::uint64_t>(file.data() + end + 56, file.size());
  store<std::uint64_t>(file.data() + end + 72, digest.value().low);
  store<std::uint64_t>(file.data() + end + 80, digest.value().high);
  seal_block(file.subspan(end), seed.at(end));
}

void seal_manifest(std::string& text) {
  if (text.size() < kManifestChecksumLineBytes) return;
  text.resize(text.size() - kManifestChecksumLineBytes);
  const std::uint64_t sum = checksum64(as_bytes(text), kManifestChecksumSeed);
  text += fmt::format("{}{:016x}\n", kManifestChecksumWord, sum);
}

}  // namespace kv::fuzz
