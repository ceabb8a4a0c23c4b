#include "rpc/acceptor/open_connections.h"

#include <algorithm>

#include <sys/stat.h>

namespace kv {
namespace {

constexpr int kPauseAfterLook = 20;  // times as long as the look took
// However long it took: a thread that was held up in the middle of it has not worked all that time.
constexpr OpenConnections::Time::duration kPauseMax = std::chrono::milliseconds(100);

// 0: no socket.
ino_t socket_inode(int descriptor) noexcept {
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

}  // namespace

bool OpenConnections::take_place(int descriptor, Time now) {
  const std::lock_guard lock(mutex_);
  const auto number = static_cast<std::size_t>(descriptor);
  if (number >= inode_of_.size()) inode_of_.resize(number + 1, 0);
  if (inode_of_[number] == 0) {  // else: whoever had this number has closed it, and leaves the place
    if (taken_ >= places_ && now >= look_again_) {
      drop_closed();
      const Time end = std::chrono::steady_clock::now();
      look_again_ = end + std::min(kPauseAfterLook * (end - now), kPauseMax);
    }
    if (taken_ >= places_) return false;
    ++taken_;
  }
  inode_of_[number] = socket_inode(descriptor);
  return true;
}

std::size_t OpenConnections::count() {
  const std::lock_guard lock(mutex_);
  drop_closed();
  return taken_;
}

void OpenConnections::drop_closed() {
  for (std::size_t number = 0; number < inode_of_.size(); ++number) {
    ino_t& inode = inode_of_[number];
    if (inode == 0 || socket_inode(static_cast<int>(number)) == inode) continue;
    inode = 0;
    --taken_;
  }
}

}  // namespace kv
