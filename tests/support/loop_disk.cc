#include "tests/support/loop_disk.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/descriptor.h"

namespace kv {
namespace {

// EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number, and so is the flag for "do not flush the log".
constexpr unsigned long kShutdown = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t kWithoutLogFlush = 2;

[[noreturn]] void fail(const std::string& doing) {
  const std::string text = fmt::format("{}: {}", doing, std::strerror(errno));
  if (errno == EPERM || errno == EACCES || errno == ENOENT) throw NoLoopDisk(text);
  throw std::runtime_error(text);
}

Descriptor open_or_fail(const std::string& path, int flags) {
  Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!descriptor.valid()) fail("open " + path);
  return descriptor;
}

// Once a process: mounts of ours are seen by nobody else, and orphans of our servers become our children.
void enter_private_namespace() {
  static const bool done = [] {
    if (::unshare(CLONE_NEWNS) != 0) fail("a mount namespace of our own (are you root?)");
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) fail("make mounts private");
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) fail("become a subreaper");
    return true;
  }();
  static_cast<void>(done);
}

// The snapshot child of a killed server dies a moment after it. It is our child by then.
void wait_for_orphans() {
  while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
}

}  // namespace

void run_program(const std::string& command_line) {
  FILE* const pipe = ::popen((command_line + " 2>&1").c_str(), "re");
  if (pipe == nullptr) fail("run " + command_line);
  std::string output;
  char buffer[1024];
  while (const std::size_t got = ::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, got);
  const int status = ::pclose(pipe);
  if (status != 0) throw std::runtime_error(fmt::format("{} ended with {}:\n{}", command_line, status, output));
}

LoopDisk::LoopDisk(std::string kind, const std::string& directory, std::uint64_t bytes)
    : kind_(std::move(kind)), image_(directory + "/" + kind_ + ".image"), mount_point_(directory + "/" + kind_) {
  enter_private_namespace();
  std::filesystem::create_directories(mount_point_);
  try {
    make_image(bytes);
    mount();
  } catch (...) {
    remove_files();
    throw;
  }
}

void LoopDisk::make_image(std::uint64_t bytes) {
  if (!std::filesystem::exists("/usr/sbin/mkfs." + kind_) && !std::filesystem::exists("/sbin/mkfs." + kind_)) {
    throw NoLoopDisk(fmt::format("there is no mkfs.{}", kind_));
  }
  if (::ftruncate(open_or_fail(image_, O_RDWR | O_CREAT | O_EXCL).get(), static_cast<off_t>(bytes)) != 0) {
    fail("size " + image_);
  }
  run_program(
      fmt::format("PATH=$PATH:/usr/sbin:/sbin mkfs.{} -q {} '{}'", kind_, kind_ == "xfs" ? "-f" : "-F", image_));
}

LoopDisk::~LoopDisk() {
  if (mounted_) ::umount2(mount_point_.c_str(), MNT_DETACH);  // What cannot be told of here: see the header.
  remove_files();
}

void LoopDisk::remove_files() {
  std::error_code ignored;
  std::filesystem::remove(mount_point_, ignored);
  if (!keep_) std::filesystem::remove(image_, ignored);
}

void LoopDisk::mount() {
  const Descriptor control = open_or_fail("/dev/loop-control", O_RDWR);
  const Descriptor image = open_or_fail(image_, O_RDWR);
  // Somebody else may take the device between the two calls: then the next one is asked for.
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) fail("find a free loop device");
    const std::string device = fmt::format("/dev/loop{}", number);
    const Descriptor loop = open_or_fail(device, O_RDWR);
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(image.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) {
      // The device frees itself when its last user goes: mounted before `loop` is closed, the mount is that user.
      if (::mount(device.c_str(), mount_point_.c_str(), kind_.c_str(), MS_NOATIME, nullptr) != 0) {
        fail("mount " + device);
      }
      mounted_ = true;
      return;
    }
    if (errno != EBUSY) fail("attach " + image_);
  }
  throw std::runtime_error("no free loop device");
}

void LoopDisk::unmount() {
  wait_for_orphans();
  if (::umount2(mount_point_.c_str(), 0) != 0) fail("unmount " + mount_point_);
  mounted_ = false;
}

void LoopDisk::cut_power() {
  std::uint32_t how = kWithoutLogFlush;
  if (::ioctl(open_or_fail(mount_point_, O_RDONLY | O_DIRECTORY).get(), kShutdown, &how) != 0) {
    fail("cut the power of " + mount_point_);
  }
}

}  // namespace kv
