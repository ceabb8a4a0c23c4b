#include "persistence/segment_writer.h"

#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/bytes.h"

namespace kv {
namespace {

// Header-only batches may follow the capacity; they are 48 bytes each.
constexpr std::uint64_t kSlackBytes = 4096;
constexpr std::size_t kZeroChunkBytes = 1 << 20;
constexpr auto kAskForDescriptorAfter = std::chrono::milliseconds(20);
constexpr int kAskForDescriptorTimes = 50;
constexpr absl::string_view kForGoodUrl = "kvstore/for-good";

bool lacks_descriptors(const absl::Status& failed) {
  const int error_number = errno_of(failed);
  return error_number == EMFILE || error_number == ENFILE;
}

std::uint64_t random_salt() {
  std::random_device source;
  return (static_cast<std::uint64_t>(source()) << 32) | source();
}

// Real blocks behind every byte, so that a later write does not run out of space.
absl::Status allocate(File& file, std::uint64_t bytes) {
  absl::Status done = file.allocate(bytes);
  while (errno_of(done) == EINTR) done = file.allocate(bytes);
  if (done.ok() || (errno_of(done) != EOPNOTSUPP && errno_of(done) != ENOSYS)) return done;
  const std::vector<std::byte> zeros(kZeroChunkBytes);
  for (std::uint64_t offset = 0; offset < bytes; offset += zeros.size()) {
    const std::uint64_t count = std::min<std::uint64_t>(zeros.size(), bytes - offset);
    if (absl::Status written = write_all_at(file, Bytes(zeros).first(count), offset); !written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace

bool may_heal(const absl::Status& failed) {
  if (failed.GetPayload(kForGoodUrl)) return false;
  return is_out_of_space(failed) || errno_of(failed) == EAGAIN || lacks_descriptors(failed);
}

absl::Status for_good(absl::Status failed) {
  if (!failed.ok()) failed.SetPayload(kForGoodUrl, absl::Cord());
  return failed;
}

absl::Status of_sync(absl::Status synced) { return lacks_descriptors(synced) ? synced : for_good(std::move(synced)); }

absl::Status sync_names(FileSystem& fs, const std::string& directory) {
  absl::Status synced = fs.sync_directory(directory);
  for (int asked = 1; lacks_descriptors(synced) && asked < kAskForDescriptorTimes; ++asked) {
    std::this_thread::sleep_for(kAskForDescriptorAfter);
    synced = fs.sync_directory(directory);
  }
  return for_good(std::move(synced));
}

std::uint64_t allocation_for(std::uint64_t segment_bytes, std::uint32_t record_bytes_max) noexcept {
  const std::uint64_t one_record = kSegmentHeaderBytes + kBatchHeaderBytes + record_bytes_max;
  return align_batch(std::max(segment_bytes, one_record)) + kSlackBytes;
}

absl::Status shrink_unused(FileSystem& fs, const std::string& path) {
  const auto file = fs.open(path, FileSystem::Open::kReadWrite);
  return file.ok() ? (*file)->truncate(kSegmentHeaderBytes) : file.status();
}

absl::StatusOr<std::unique_ptr<SegmentWriter>> SegmentWriter::create(FileSystem& fs, const std::string& directory,
                                                                     const SegmentIdentity& identity,
                                                                     std::uint64_t capacity, std::uint64_t allocation) {
  const std::string path = fmt::format("{}/{}", directory, segment_name(identity.number));
  auto file = fs.create(path);
  if (!file.ok()) return file.status();
  SegmentIdentity salted = identity;
  salted.salt = random_salt();
  std::byte bytes[kIdentityBytes];
  encode(salted, bytes);
  absl::Status made = allocate(**file, allocation);
  if (made.ok()) made = write_all_at(**file, bytes, 0);
  // Where this fails for want of space, not for good: the file goes, nothing has counted on it, and what the next
  // attempt syncs is another file.
  if (made.ok()) made = (*file)->sync();
  if (made.ok())
    return std::unique_ptr<SegmentWriter>(new SegmentWriter(std::move(*file), salted, capacity, allocation));
  file->reset();
  // It was never named in MANIFEST; should this fail too, a start sweeps it.
  fs.remove(path).IgnoreError();
  return made;
}

SegmentWriter::SegmentWriter(std::unique_ptr<File> file, const SegmentIdentity& identity, std::uint64_t capacity,
                             std::uint64_t allocation) noexcept
    : file_(std::move(file)),
      number_(identity.number),
      seed_(segment_seed(identity.salt, identity.number)),
      capacity_(capacity),
      allocation_(allocation) {
  encode(identity, std::span(header_).first<kIdentityBytes>());
}

absl::Status SegmentWriter::start(Revision base_revision, const SegmentEnd& predecessor, UnixMillis now) {
  assert(!started_);
  const StartBlock block{.base_revision = base_revision,
                         .predecessor_number = predecessor.number,
                         .predecessor_used = predecessor.used,
                         .predecessor_last_revision = predecessor.last_revision,
                         .predecessor_digest = predecessor.digest,
                         .started_ms = now};
  const auto into = std::span(header_).last<kStartBlockBytes>();
  encode(block, seed_, into);
  if (absl::Status written = write_all_at(*file_, into, kIdentityBytes); !written.ok()) return written;
  digest_.update(header_);
  last_revision_ = base_revision;
  started_ = true;
  return absl::OkStatus();
}

bool SegmentWriter::fits(std::uint64_t payload_bytes) const noexcept {
  return used_ + align_batch(kBatchHeaderBytes + payload_bytes) <= capacity_;
}

void SegmentWriter::seal(std::span<std::byte> batch, const BatchHeader& header) noexcept {
  encode(header, seed_, used_, batch.first<kBatchHeaderBytes>());
  for (std::size_t at = kBatchHeaderBytes; at < batch.size();) {
    RecordHeader record;
    const bool ours = decode(batch.subspan(at).first<kRecordHeaderBytes>(), record);
    assert(ours);
    static_cast<void>(ours);
    seal_record(batch.subspan(at, record.record_bytes), seed_, used_ + at);
    at += record.record_bytes;
  }
}

absl::Status SegmentWriter::write(Bytes batch, Revision last_revision) {
  assert(started_);
  if (absl::Status written = write_all_at(*file_, batch, used_); !written.ok()) return written;
  // What lies between here and the alignment has been zero since the file was allocated.
  constexpr std::byte kZeros[kBatchAlignment] = {};
  digest_.update(batch);
  digest_.update(Bytes(kZeros).first(align_batch(batch.size()) - batch.size()));
  used_ += align_batch(batch.size());
  if (last_revision > last_revision_) last_revision_ = last_revision;
  return absl::OkStatus();
}

}  // namespace kv
