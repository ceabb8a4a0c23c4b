// A real file system on a disk of its own (an image behind a loop device), whose power can be cut.
//
// Hard part: the cut is the shutdown ioctl of ext4 and xfs without a flush of their log. From then on the file system
// takes nothing and answers EIO; what it had not handed to the device is lost, as with the plug pulled. Mounting it
// again replays its log. What is not simulated is a device that loses its own cache: the image behind the loop device
// stays.
//
// All of it happens in a mount namespace of this process and its children, so that nothing is left mounted however this
// process ends, and the loop device frees itself.
//
// Threads:  one.
// Lifetime: the destructor unmounts and removes the image; nobody may use a file of it any more.
// Errors:   std::runtime_error; NoLoopDisk where this machine gives none. Needs root, and mkfs of the kind
//           (cmake/packages.txt: torture).
// Source:   ext4_shutdown() and xfs_fs_goingdown() in Linux; loop(4).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace kv {

// Not allowed, or not there: no fault of what is tested.
struct NoLoopDisk : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class LoopDisk {
 public:
  // `kind`: "ext4" or "xfs". The image and the place where it is mounted are made below `directory`.
  LoopDisk(std::string kind, const std::string& directory, std::uint64_t bytes);
  ~LoopDisk();
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;

  // Where it is mounted.
  const std::string& path() const noexcept { return mount_point_; }

  void mount();
  // Waits for processes of ours that still have files open.
  void unmount();
  void cut_power();
  // The image stays when this object goes, to be looked at.
  void keep() { keep_ = true; }
  const std::string& image() const noexcept { return image_; }

 private:
  void make_image(std::uint64_t bytes);
  void remove_files();

  const std::string kind_;
  const std::string image_;
  const std::string mount_point_;
  bool mounted_ = false;
  bool keep_ = false;
};

// Runs a program and waits for it; throws with its output when it does not exit 0.
void run_program(const std::string& command_line);

}  // namespace kv
