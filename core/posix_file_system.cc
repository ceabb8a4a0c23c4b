#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/file_system.h"
#include "core/spare_descriptors.h"

namespace kv {
namespace {

SpareDescriptors& spares() {
  static SpareDescriptors instance;
  return instance;
}

absl::Status last_error(std::string_view doing, std::string_view path) {
  return errno_status(errno, fmt::format("{} {}", doing, path));
}

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  // Durability is sync()'s matter; close reports nothing we could use.
  ~PosixFile() override { spares().close(descriptor_); }

  absl::StatusOr<std::size_t> write_at(Bytes data, std::uint64_t offset) override {
    const ssize_t done = ::pwrite(descriptor_, data.data(), data.size(), static_cast<off_t>(offset));
    if (done < 0) return last_error("write", path_);
    return static_cast<std::size_t>(done);
  }
  absl::StatusOr<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
    const ssize_t done = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (done < 0) return last_error("read", path_);
    return static_cast<std::size_t>(done);
  }
  absl::Status sync_data() override { return ok_or(::fdatasync(descriptor_), "fdatasync"); }
  absl::Status sync() override { return ok_or(::fsync(descriptor_), "fsync"); }
  absl::Status allocate(std::uint64_t bytes) override {
    return ok_or(::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)), "fallocate");
  }
  absl::Status truncate(std::uint64_t size) override {
    return ok_or(::ftruncate(descriptor_, static_cast<off_t>(size)), "ftruncate");
  }
  absl::StatusOr<std::uint64_t> size() override {
    struct stat info;
    if (::fstat(descriptor_, &info) != 0) return last_error("fstat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }
  absl::StatusOr<bool> try_lock() override {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    return last_error("flock", path_);
  }
  int descriptor() const noexcept override { return descriptor_; }
  const std::string& path() const noexcept override { return path_; }

 private:
  absl::Status ok_or(int result, std::string_view doing) const {
    return result == 0 ? absl::OkStatus() : last_error(doing, path_);
  }

  const int descriptor_;
  const std::string path_;
};

class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    return open_with(path, how == Open::kRead ? O_RDONLY : O_RDWR, "open");
  }
  absl::StatusOr<std::unique_ptr<File>> create(const std::string& path) override {
    return open_with(path, O_RDWR | O_CREAT | O_EXCL, "create");
  }
  absl::Status rename(const std::string& from, const std::string& to) override {
    return ok_or(std::rename(from.c_str(), to.c_str()), "rename", from);
  }
  absl::Status remove(const std::string& path) override { return ok_or(::unlink(path.c_str()), "unlink", path); }
  absl::Status make_directory(const std::string& path) override {
    return ok_or(::mkdir(path.c_str(), 0700), "mkdir", path);
  }
  absl::Status remove_directory(const std::string& path) override {
    return ok_or(::rmdir(path.c_str()), "rmdir", path);
  }
  absl::Status sync_directory(const std::string& path) override {
    absl::StatusOr<std::unique_ptr<File>> directory = open_with(path, O_RDONLY | O_DIRECTORY, "open", 0);
    return directory.ok() ? (*directory)->sync() : directory.status();
  }
  absl::StatusOr<std::vector<DirectoryEntry>> list(const std::string& path) override;
  absl::StatusOr<bool> exists(const std::string& path) override {
    struct stat info;
    if (::lstat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT) return false;
    return last_error("lstat", path);
  }
  absl::StatusOr<std::uint64_t> free_bytes(const std::string& path) override {
    struct statvfs info;
    if (::statvfs(path.c_str(), &info) != 0) return last_error("statvfs", path);
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }

 private:
  static absl::Status ok_or(int result, std::string_view doing, std::string_view path) {
    return result == 0 ? absl::OkStatus() : last_error(doing, path);
  }
  // A data directory may be reached through a link; the files in it are ours, and a link among them is not.
  static absl::StatusOr<std::unique_ptr<File>> open_with(const std::string& path, int flags, std::string_view doing,
                                                         int links = O_NOFOLLOW) {
    const int descriptor =
        spares().open_with_spares([&] { return ::open(path.c_str(), flags | O_CLOEXEC | links, 0600); });
    if (descriptor < 0) return last_error(doing, path);
    return std::make_unique<PosixFile>(descriptor, path);
  }
};

absl::StatusOr<std::vector<DirectoryEntry>> PosixFileSystem::list(const std::string& path) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return last_error("opendir", path);
  std::vector<DirectoryEntry> entries;
  errno = 0;
  while (const dirent* found = ::readdir(directory)) {
    const std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    struct stat info;
    const bool is_directory =
        ::fstatat(::dirfd(directory), found->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
    entries.push_back({std::string(name), is_directory});
    errno = 0;
  }
  const int error_number = errno;
  ::closedir(directory);
  if (error_number != 0) return errno_status(error_number, fmt::format("readdir {}", path));
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

}  // namespace

FileSystem& posix_file_system() {
  spares();  // Outlives the instance and its files.
  static PosixFileSystem instance;
  return instance;
}

std::size_t keep_descriptors_for_files(std::size_t count) { return spares().keep(count); }

}  // namespace kv
