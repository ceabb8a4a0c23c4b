#include "persistence/file_ownership.h"

#include <algorithm>
#include <array>

#include "persistence/format/log_format.h"
#include "persistence/format/snapshot_format.h"

namespace kv {
namespace {

constexpr std::size_t kHeaderBytes = snapshot_format::kFileHeaderBytes;
static_assert(kHeaderBytes >= kIdentityBytes);

}  // namespace

absl::StatusOr<bool> belongs_to(FileSystem& fs, const std::string& path, const StoreId& store_id) {
  const auto file = fs.open(path, FileSystem::Open::kRead);
  if (!file.ok()) return file.status();
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  snapshot_format::FileHeaderBytes header{};
  if (*size < header.size()) return true;
  if (absl::Status read = read_all_at(**file, header, 0); !read.ok()) return read;
  if (std::all_of(header.begin(), header.end(), [](std::byte byte) { return byte == std::byte{0}; })) return true;

  snapshot_format::FileHeader snapshot;
  std::string_view why;
  if (snapshot_format::decode(header, snapshot, why)) return snapshot.store_id == store_id;
  SegmentIdentity segment;
  if (decode(std::span<const std::byte>(header).first<kIdentityBytes>(), segment)) return segment.store_id == store_id;
  return false;
}

}  // namespace kv
