#include "tests/support/file_watch.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace kv {

FileWatch::FileWatch(const std::vector<std::string>& folders) : descriptor_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (descriptor_ < 0) throw std::runtime_error("inotify is not to be had");
  for (const std::string& folder : folders) {
    const auto events = IN_CREATE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE;
    if (::inotify_add_watch(descriptor_, folder.c_str(), events) < 0) {
      ::close(descriptor_);
      throw std::runtime_error("cannot watch " + folder);
    }
  }
}

FileWatch::~FileWatch() { ::close(descriptor_); }

void FileWatch::wait_until(const std::string& what, const std::function<bool()>& is_true, std::chrono::seconds bound) {
  const auto deadline = std::chrono::steady_clock::now() + bound;
  char events[4096];
  while (!is_true()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0) {
      throw std::runtime_error("waited in vain for: " + what);
    }
    while (::read(descriptor_, events, sizeof events) > 0) {
    }
  }
}

std::vector<std::string> names_in(const std::string& folder, const std::string& ending) {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& found : std::filesystem::directory_iterator(folder, missing)) {
    const std::string name = found.path().filename().string();
    if (name.ends_with(ending)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace kv
