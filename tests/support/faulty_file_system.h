// A file system in memory that forgets what was not synced, tears writes, fails the n-th call and runs full: what a
// disk may do to us, on demand.
//
// A story with it: run a workload, or stop it with power_off_at(n); then restart on after_crash(...), a new file system
// that holds what a machine would find. The old one goes on undisturbed, so that one run can be cut in many ways.
// Set up with put() and make_durable(): a directory whose parent was not synced is gone after a crash.
//
// Threads:  all calls from any thread, so also of its files.
// Lifetime: files must not outlive it.
// Errors:   those of a POSIX file system, as core/file_system.h says; EIO once the power is off.
// Not kept: modes and owners. descriptor() is -1: there is nothing for a forked child to write to.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/file_system.h"
#include "tests/support/simulated_disk.h"

namespace kv {

// kAny stands for all of them, in faults and counts.
enum class DiskCall {
  kAny,
  kOpen,
  kCreate,
  kRename,
  kRemove,
  kMakeDirectory,
  kRemoveDirectory,
  kSyncDirectory,
  kList,
  kExists,
  kFreeBytes,
  kWrite,
  kRead,
  kSyncData,
  kSync,
  kAllocate,
  kTruncate,
  kSize,
  kLock,
};
inline constexpr std::size_t kDiskCallCount = static_cast<std::size_t>(DiskCall::kLock) + 1;

struct Fault {
  DiskCall call = DiskCall::kAny;
  std::string path_part{};    // only calls whose path contains it
  std::uint64_t after = 0;    // so many matching calls go well first
  int error_number = EIO;     // 0: no error, but a short transfer
  std::size_t bytes_max = 1;  // of a short transfer
  bool from_then_on = false;  // else once
  std::uint64_t times = 1;    // or so many times in a row
};

class FaultyFileSystem final : public FileSystem {
 public:
  FaultyFileSystem() = default;

  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, Open how) override;
  absl::StatusOr<std::unique_ptr<File>> create(const std::string& path) override;
  absl::Status rename(const std::string& from, const std::string& to) override;
  absl::Status remove(const std::string& path) override;
  absl::Status make_directory(const std::string& path) override;
  absl::Status remove_directory(const std::string& path) override;
  absl::Status sync_directory(const std::string& path) override;
  absl::StatusOr<std::vector<DirectoryEntry>> list(const std::string& path) override;
  absl::StatusOr<bool> exists(const std::string& path) override;
  absl::StatusOr<std::uint64_t> free_bytes(const std::string& path) override;

  // Faults. Of several that match, the first given strikes.
  void fail(Fault fault);
  void heal();  // forgets every fault that is left
  std::uint64_t faults_delivered() const;
  // Of the call that the first of them struck; "" before.
  std::string struck_path() const;
  // Space for file contents; more than that is ENOSPC, after a short write of what still fits. Raise it to make room.
  void limit_capacity(std::uint64_t bytes);
  // The n-th call from the first on (1-based, all kinds counted) and every later one fail with EIO and do nothing; if
  // that n-th is a write, its first `torn_bytes` are written.
  void power_off_at(std::uint64_t call, std::size_t torn_bytes = 0);

  std::uint64_t calls(DiskCall kind = DiskCall::kAny) const;
  // Runs before each call, outside of any lock, on the calling thread: a test may wait in it. Set it before the work
  // starts.
  void on_call(std::function<void(DiskCall, const std::string& path)> hook);

  // How many changes a crash now could lose; the bound of Survivors::count.
  std::size_t unsynced_changes() const;
  // What a restarted machine finds. Without faults, limits and locks.
  std::unique_ptr<FaultyFileSystem> after_crash(const Survivors& survivors) const;

  // SimulatedDisk::fingerprint().
  std::uint64_t fingerprint() const;

  // Past all faults and counts: contents as the process sees them, durable at once.
  void put(const std::string& path, std::string_view contents);  // its directory exists
  std::optional<std::string> contents(const std::string& path) const;
  void make_durable();

 private:
  friend class FaultyFile;
  using Node = SimulatedDisk::Node;
  using NodePointer = SimulatedDisk::NodePointer;

  // How a call may go on: the error it must report, or the most bytes it may transfer.
  struct Verdict {
    int error_number = 0;
    std::size_t bytes_max = SIZE_MAX;
    bool torn = false;  // transfers bytes_max and then reports the error
  };
  // A place for a name: its directory and the name, or an error number.
  struct Place {
    NodePointer directory;
    std::string name;
    int error_number = 0;
    NodePointer node() const;  // null when there is none
  };

  void announce(DiskCall call, const std::string& path);
  Verdict judge(DiskCall call, const std::string& path);
  absl::Status sync_node(DiskCall call, const NodePointer& node, const std::string& path);
  Place locate(const std::string& path) const;
  std::uint64_t room() const;

  mutable std::mutex mutex_;
  SimulatedDisk disk_;
  std::vector<Fault> faults_;
  std::uint64_t faults_delivered_ = 0;
  std::string struck_path_;
  std::uint64_t capacity_bytes_ = UINT64_MAX;
  std::uint64_t power_off_at_ = UINT64_MAX;
  std::size_t torn_bytes_ = 0;
  std::array<std::uint64_t, kDiskCallCount> calls_{};
  std::function<void(DiskCall, const std::string&)> hook_;
};

}  // namespace kv
