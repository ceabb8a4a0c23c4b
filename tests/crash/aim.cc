#include "tests/crash/aim.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace kv::crash {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The start block of a segment, once it is there.
std::optional<StartBlock> start_of(const fs::path& segment) {
  std::array<std::byte, kSegmentHeaderBytes> header;
  std::ifstream file(segment, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(header.data()), header.size())) return std::nullopt;
  const std::span bytes(header);
  SegmentIdentity identity;
  StartBlock start;
  if (!decode(bytes.first<kIdentityBytes>(), identity)) return std::nullopt;
  const std::uint64_t seed = segment_seed(identity.salt, identity.number);
  if (!decode(bytes.last<kStartBlockBytes>(), seed, start)) return std::nullopt;
  return start;
}

std::uint64_t newest_started(const fs::path& directory) {
  std::uint64_t newest = 0;
  std::error_code gone;  // Segments may be removed while we look.
  for (const auto& entry : fs::directory_iterator(directory, gone)) {
    const auto number = segment_number(entry.path().filename().string());
    if (number && *number > newest && start_of(entry.path())) newest = *number;
  }
  return newest;
}

// Follows the batches of a segment while they are written.
class SegmentTail {
 public:
  SegmentTail(const fs::path& directory, std::uint64_t number)
      : file_(::open((directory / segment_name(number)).c_str(), O_RDONLY | O_CLOEXEC)) {
    std::array<std::byte, kIdentityBytes> bytes;
    SegmentIdentity identity;
    if (::pread(file_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()) &&
        decode(bytes, identity)) {
      seed_ = segment_seed(identity.salt, identity.number);
    }
  }
  ~SegmentTail() {
    if (file_ >= 0) ::close(file_);
  }
  SegmentTail(const SegmentTail&) = delete;
  SegmentTail& operator=(const SegmentTail&) = delete;

  // The payload of the next batch, whose header at least is there; 0 when there is none yet.
  std::uint32_t next_batch() {
    std::array<std::byte, kBatchHeaderBytes> bytes;
    BatchHeader header;
    const bool there =
        ::pread(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset_)) == static_cast<ssize_t>(bytes.size()) &&
        decode(bytes, seed_, offset_, header);
    caught_up_ = had_to_wait_;
    had_to_wait_ = !there;
    if (!there) return 0;
    offset_ = align_batch(offset_ + kBatchHeaderBytes + header.payload_bytes);
    return header.payload_bytes;
  }
  // The batch last returned was not there yet at the call before.
  bool caught_up() const { return caught_up_; }

 private:
  const int file_;
  std::uint64_t seed_ = 0;
  std::uint64_t offset_ = kSegmentHeaderBytes;
  bool had_to_wait_ = false;
  bool caught_up_ = false;
};

}  // namespace

SnapshotWatch::SnapshotWatch(const std::string& data_directory, For what) : inotify_(::inotify_init1(IN_CLOEXEC)) {
  const std::uint32_t events = what == For::kBegin ? IN_CREATE : IN_MOVED_TO;
  if (inotify_ < 0 || ::inotify_add_watch(inotify_, (data_directory + "/snapshots").c_str(), events) < 0) {
    throw std::runtime_error("cannot watch " + data_directory + "/snapshots");
  }
}

SnapshotWatch::~SnapshotWatch() { ::close(inotify_); }

bool SnapshotWatch::wait_for_next(milliseconds bound) {
  const auto end = steady_clock::now() + bound;
  const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now()).count();
  pollfd ready{inotify_, POLLIN, 0};
  if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) return false;
  alignas(inotify_event) std::array<char, 4096> events;
  return ::read(inotify_, events.data(), events.size()) > 0;
}

bool snapshot_in_progress(const std::string& data_directory) {
  for (const auto& entry : fs::directory_iterator(data_directory + "/snapshots")) {
    if (entry.path().extension() == ".tmp") return true;
  }
  return false;
}

bool RotationWatch::wait_for_next(milliseconds bound) {
  const auto end = steady_clock::now() + bound;
  const std::uint64_t next = newest_started(directory_) + 1;
  const fs::path segment = fs::path(directory_) / segment_name(next);
  // No event tells of it: the file was there before, and so were writes to it. The header is read until it is filled
  // in.
  while (steady_clock::now() < end) {
    if (start_of(segment)) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return false;
}

bool wait_for_large_write(const std::string& data_directory, std::uint32_t payload_bytes, milliseconds bound) {
  const auto end = steady_clock::now() + bound;
  const std::string directory = data_directory + "/aof";
  while (steady_clock::now() < end) {
    SegmentTail tail(directory, newest_started(directory));
    // A segment of the smallest size is full within moments: look for its successor now and then.
    const auto look_again = steady_clock::now() + milliseconds(20);
    while (steady_clock::now() < look_again) {
      const std::uint32_t payload = tail.next_batch();
      if (payload >= payload_bytes && tail.caught_up()) return true;
    }
  }
  return false;
}

std::optional<std::int64_t> last_rotation(const std::string& data_directory) {
  const std::string directory = data_directory + "/aof";
  const std::uint64_t newest = newest_started(directory);
  if (newest == 0) return std::nullopt;
  return start_of(fs::path(directory) / segment_name(newest))->started_ms;
}

}  // namespace kv::crash
