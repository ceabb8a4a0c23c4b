// The lines typed before, kept in a file for the next session.
//
// The file is in $XDG_STATE_HOME/kvstore (or ~/.local/state/kvstore), readable by its owner only, because values are
// typed on these lines. It is replaced as a whole (temporary, rename), so that a crash leaves the old one. Two
// sessions at once: the one that writes last wins.
//
// Threads: one. Errors: where the file cannot be read or written, the history lasts for the session; a store must be
// usable from a read-only container.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <histedit.h>

namespace kv {

using Environment = std::function<std::optional<std::string>(const char* name)>;

// Empty when the environment names no place.
std::string history_path(const Environment& environment);

class LineHistory {
 public:
  explicit LineHistory(std::string path);  // Loads the file.
  ~LineHistory();
  LineHistory(const LineHistory&) = delete;
  LineHistory& operator=(const LineHistory&) = delete;

  void add(const std::string& line);  // And saves.
  History* handle() const { return history_; }

 private:
  void save();

  const std::string path_;
  History* const history_;
};

}  // namespace kv
