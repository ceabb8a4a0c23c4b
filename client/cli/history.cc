#include "client/cli/history.h"

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace kv {
namespace {

constexpr int kLinesMax = 1000;

}  // namespace

std::string history_path(const Environment& environment) {
  const std::string state = environment("XDG_STATE_HOME").value_or("");
  if (state.starts_with('/')) return state + "/kvstore/history";  // The XDG rules ignore relative paths.
  const std::string home = environment("HOME").value_or("");
  return home.empty() ? "" : home + "/.local/state/kvstore/history";
}

LineHistory::LineHistory(std::string path) : path_(std::move(path)), history_(::history_init()) {
  HistEvent event;
  ::history(history_, &event, H_SETSIZE, kLinesMax);
  ::history(history_, &event, H_SETUNIQUE, 1);
  if (!path_.empty()) ::history(history_, &event, H_LOAD, path_.c_str());
}

LineHistory::~LineHistory() { ::history_end(history_); }

void LineHistory::add(const std::string& line) {
  HistEvent event;
  ::history(history_, &event, H_ENTER, line.c_str());
  if (!path_.empty()) save();
}

void LineHistory::save() {
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  std::error_code ignored;
  if (std::filesystem::create_directories(folder, ignored)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ignored);
  }
  const std::string temporary = fmt::format("{}.{}", path_, ::getpid());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return;
  std::FILE* file = ::fdopen(descriptor, "w");
  HistEvent event;
  const bool written = file != nullptr && ::history(history_, &event, H_SAVE_FP, file) != -1;
  const bool closed = file == nullptr ? ::close(descriptor) == 0 : std::fclose(file) == 0;
  const bool kept = written && closed && std::rename(temporary.c_str(), path_.c_str()) == 0;
  if (!kept) ::unlink(temporary.c_str());
}

}  // namespace kv
