#include "tests/support/faulty_file_system.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/support/faulty_file.h"

namespace kv {
namespace {

absl::Status result(int error_number, std::string_view doing, std::string_view path) {
  return error_number == 0 ? absl::OkStatus() : errno_status(error_number, fmt::format("{} {}", doing, path));
}

}  // namespace

// Calls.

absl::StatusOr<std::unique_ptr<File>> FaultyFileSystem::open(const std::string& path, Open how) {
  announce(DiskCall::kOpen, path);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(DiskCall::kOpen, path);
  if (verdict.error_number != 0) return result(verdict.error_number, "open", path);
  const Place place = locate(path);
  if (place.error_number != 0) return result(place.error_number, "open", path);
  NodePointer node = place.node();
  if (node == nullptr) return result(ENOENT, "open", path);
  if (node->is_directory) return result(EISDIR, "open", path);
  return std::make_unique<FaultyFile>(*this, std::move(node), path, how == Open::kReadWrite);
}

absl::StatusOr<std::unique_ptr<File>> FaultyFileSystem::create(const std::string& path) {
  announce(DiskCall::kCreate, path);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(DiskCall::kCreate, path);
  if (verdict.error_number != 0) return result(verdict.error_number, "create", path);
  const Place place = locate(path);
  if (place.error_number != 0) return result(place.error_number, "create", path);
  if (place.node() != nullptr) return result(EEXIST, "create", path);
  auto node = std::make_shared<Node>();
  disk_.link(place.directory, place.name, node);
  return std::make_unique<FaultyFile>(*this, std::move(node), path, true);
}

absl::Status FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  announce(DiskCall::kRename, from);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(DiskCall::kRename, from);
  if (verdict.error_number != 0) return result(verdict.error_number, "rename", from);
  const Place source = locate(from), target = locate(to);
  if (source.error_number != 0) return result(source.error_number, "rename", from);
  if (target.error_number != 0) return result(target.error_number, "rename", to);
  const NodePointer moved = source.node(), replaced = target.node();
  if (moved == nullptr) return result(ENOENT, "rename", from);
  if (moved == replaced) return absl::OkStatus();
  if (replaced != nullptr && replaced->is_directory && !moved->is_directory) return result(EISDIR, "rename", to);
  if (replaced != nullptr && !replaced->is_directory && moved->is_directory) return result(ENOTDIR, "rename", to);
  if (replaced != nullptr && !replaced->live.names.empty()) return result(ENOTEMPTY, "rename", to);
  disk_.rename(source.directory, source.name, target.directory, target.name);
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::remove(const std::string& path) {
  announce(DiskCall::kRemove, path);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(DiskCall::kRemove, path);
  if (verdict.error_number != 0) return result(verdict.error_number, "unlink", path);
  const Place place = locate(path);
  if (place.error_number != 0) return result(place.error_number, "unlink", path);
  if (place.node() == nullptr) return result(ENOENT, "unlink", path);
  if (place.node()->is_directory) return result(EISDIR, "unlink", path);
  disk_.unlink(place.directory, place.name);
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::make_directory(const std::string& path) {
  announce(DiskCall::kMakeDirectory, path);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(DiskCall::kMakeDirectory, path);
  if (verdict.error_number != 0) return result(verdict.error_number, "mkdir", path);
  const Place place = locate(path);
  if (place.error_number != 0) return result(place.error_number, "mkdir", path);
  if (place.node() != nullptr) return result(EEXIST, "mkdir", path);
  auto node = std::make_shared<Node>();
  node->is_directory = true;
  disk_.link(place.directory, place.name, std::move(node));
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::remove_directory(const std::string& path) {
  announce(DiskCall::kRemoveDirectory, path);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(DiskCall::kRemoveDirectory, path);
  if (verdict.error_number != 0) return result(verdict.error_number, "rmdir", path);
  const Place place = locate(path);
  if (place.error_number != 0) return result(place.error_number, "rmdir", path);
  const NodePointer node = place.node();
  if (node == nullptr) return result(ENOENT, "rmdir", path);
  if (!node->is_directory) return result(ENOTDIR, "rmdir", path);
  if (!node->live.names.empty()) return result(ENOTEMPTY, "rmdir", path);
  if (node == disk_.root()) return result(EBUSY, "rmdir", path);
  disk_.unlink(place.directory, place.name);
  return absl::OkStatus();
}

absl::Status FaultyFileSystem::sync_directory(const std::string& path) {
  NodePointer node;
  {
    const std::lock_guard lock(mutex_);
    const Place place = locate(path);
    if (place.error_number == 0) node = place.node();
  }
  if (node == nullptr) return result(ENOENT, "open", path);
  if (!node->is_directory) return result(ENOTDIR, "open", path);
  return sync_node(DiskCall::kSyncDirectory, node, path);
}

absl::StatusOr<std::vector<DirectoryEntry>> FaultyFileSystem::list(const std::string& path) {
  announce(DiskCall::kList, path);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(DiskCall::kList, path);
  if (verdict.error_number != 0) return result(verdict.error_number, "opendir", path);
  const Place place = locate(path);
  if (place.error_number != 0) return result(place.error_number, "opendir", path);
  const NodePointer node = place.node();
  if (node == nullptr) return result(ENOENT, "opendir", path);
  if (!node->is_directory) return result(ENOTDIR, "opendir", path);
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, child] : node->live.names) entries.push_back({name, child->is_directory});
  return entries;
}

absl::StatusOr<bool> FaultyFileSystem::exists(const std::string& path) {
  announce(DiskCall::kExists, path);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(DiskCall::kExists, path);
  if (verdict.error_number != 0) return result(verdict.error_number, "lstat", path);
  const Place place = locate(path);
  if (place.error_number == ENOENT) return false;
  if (place.error_number != 0) return result(place.error_number, "lstat", path);
  return place.node() != nullptr;
}

absl::StatusOr<std::uint64_t> FaultyFileSystem::free_bytes(const std::string& path) {
  announce(DiskCall::kFreeBytes, path);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(DiskCall::kFreeBytes, path);
  if (verdict.error_number != 0) return result(verdict.error_number, "statvfs", path);
  return room();
}

// What the calls share.

SimulatedDisk::NodePointer FaultyFileSystem::Place::node() const {
  if (name.empty()) return directory;  // the root itself
  const auto found = directory->live.names.find(name);
  return found == directory->live.names.end() ? nullptr : found->second;
}

FaultyFileSystem::Place FaultyFileSystem::locate(const std::string& path) const {
  Place place{disk_.root(), "", 0};
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || part == ".") continue;
    const NodePointer directory = place.node();
    if (directory == nullptr) return {nullptr, "", ENOENT};
    if (!directory->is_directory) return {nullptr, "", ENOTDIR};
    place = {directory, part, 0};
  }
  return place;
}

std::uint64_t FaultyFileSystem::room() const {
  if (capacity_bytes_ == UINT64_MAX) return UINT64_MAX / 2;  // Sums with it do not overflow.
  const std::uint64_t used = disk_.live_bytes();
  return capacity_bytes_ > used ? capacity_bytes_ - used : 0;
}

absl::Status FaultyFileSystem::sync_node(DiskCall call, const NodePointer& node, const std::string& path) {
  announce(call, path);
  const std::lock_guard lock(mutex_);
  const Verdict verdict = judge(call, path);
  if (verdict.error_number == 0) {
    disk_.sync(node);
  } else if (verdict.error_number != EINTR) {
    disk_.fail_sync(node);
  }
  return result(verdict.error_number, call == DiskCall::kSyncData ? "fdatasync" : "fsync", path);
}

// Faults.

void FaultyFileSystem::announce(DiskCall call, const std::string& path) {
  if (hook_) hook_(call, path);
}

FaultyFileSystem::Verdict FaultyFileSystem::judge(DiskCall call, const std::string& path) {
  ++calls_[static_cast<std::size_t>(call)];
  const std::uint64_t number = ++calls_[static_cast<std::size_t>(DiskCall::kAny)];
  if (number >= power_off_at_) {
    const bool torn = number == power_off_at_ && call == DiskCall::kWrite && torn_bytes_ > 0;
    return {EIO, torn ? torn_bytes_ : 0, torn};
  }
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->call != DiskCall::kAny && fault->call != call) continue;
    if (path.find(fault->path_part) == path.npos) continue;
    if (fault->after > 0) {
      --fault->after;
      continue;
    }
    if (faults_delivered_++ == 0) struck_path_ = path;
    const Verdict verdict{fault->error_number, fault->error_number == 0 ? fault->bytes_max : 0};
    if (!fault->from_then_on && --fault->times == 0) faults_.erase(fault);
    return verdict;
  }
  return {};
}

void FaultyFileSystem::fail(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}
void FaultyFileSystem::heal() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}
std::uint64_t FaultyFileSystem::faults_delivered() const {
  const std::lock_guard lock(mutex_);
  return faults_delivered_;
}
std::string FaultyFileSystem::struck_path() const {
  const std::lock_guard lock(mutex_);
  return struck_path_;
}
void FaultyFileSystem::limit_capacity(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_bytes_ = bytes;
}
void FaultyFileSystem::power_off_at(std::uint64_t call, std::size_t torn_bytes) {
  const std::lock_guard lock(mutex_);
  power_off_at_ = call;
  torn_bytes_ = torn_bytes;
}
std::uint64_t FaultyFileSystem::calls(DiskCall kind) const {
  const std::lock_guard lock(mutex_);
  return calls_[static_cast<std::size_t>(kind)];
}
void FaultyFileSystem::on_call(std::function<void(DiskCall, const std::string&)> hook) { hook_ = std::move(hook); }

// The machine around it.

std::size_t FaultyFileSystem::unsynced_changes() const {
  const std::lock_guard lock(mutex_);
  return disk_.unsynced_changes();
}

std::unique_ptr<FaultyFileSystem> FaultyFileSystem::after_crash(const Survivors& survivors) const {
  auto restarted = std::make_unique<FaultyFileSystem>();
  const std::lock_guard lock(mutex_);
  restarted->disk_ = disk_.after_crash(survivors);
  return restarted;
}

std::uint64_t FaultyFileSystem::fingerprint() const {
  const std::lock_guard lock(mutex_);
  return disk_.fingerprint();
}

void FaultyFileSystem::put(const std::string& path, std::string_view contents) {
  const std::lock_guard lock(mutex_);
  const Place place = locate(path);
  NodePointer node = place.node();
  if (node == nullptr) {
    node = std::make_shared<Node>();
    disk_.link(place.directory, place.name, node);
    disk_.sync(place.directory);
  }
  disk_.truncate(node, 0);
  disk_.write(node, as_bytes(contents), 0);
  disk_.sync(node);
}

std::optional<std::string> FaultyFileSystem::contents(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const Place place = locate(path);
  if (place.error_number != 0 || place.node() == nullptr) return std::nullopt;
  return place.node()->live.data;
}

void FaultyFileSystem::make_durable() {
  const std::lock_guard lock(mutex_);
  disk_.sync_everything();
}

}  // namespace kv
