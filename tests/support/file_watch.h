// Waits until something is true of files, looking again at every change below the watched folders: no polling clock.
// Errors: std::runtime_error when the bound has passed; what was waited for is in its text.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace kv {

class FileWatch {
 public:
  // The folders must exist. Folders made below them later are not watched.
  explicit FileWatch(const std::vector<std::string>& folders);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  void wait_until(const std::string& what, const std::function<bool()>& is_true,
                  std::chrono::seconds bound = std::chrono::seconds(30));

 private:
  int descriptor_;
};

// Names in a folder that end in `ending`, sorted. Empty when there is no such folder.
std::vector<std::string> names_in(const std::string& folder, const std::string& ending);

}  // namespace kv
