// Where the commands write: results to standard output (for people, or JSON), trouble and the progress bar to standard
// error.
//
// Keys and values may be any bytes. For people they are escaped, so that no value moves a terminal's cursor; in JSON
// they are text when they are UTF-8, else base64 under NAME_base64.
//
// Threads: one. Errors: flush() says whether everything was written.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/progress.h"

namespace kv::tools {

using Json = nlohmann::ordered_json;

enum class Format { kHuman, kJson };

class Screen {
 public:
  // `bar` is where a progress bar is drawn, or null.
  Screen(std::FILE* out, std::FILE* error, std::FILE* bar, Format format)
      : out_(out), error_(error), format_(format), progress_(bar) {}

  bool json() const noexcept { return format_ == Format::kJson; }
  Progress& progress() noexcept { return progress_; }

  void line(std::string_view text);
  template <class... Arguments>
  void say(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    line(fmt::format(text, std::forward<Arguments>(arguments)...));
  }
  // One object a line.
  void object(const Json& object);
  void error(std::string_view code, std::string_view text);
  bool flush();

 private:
  std::FILE* const out_;
  std::FILE* const error_;
  const Format format_;
  Progress progress_;
  bool failed_ = false;
};

void put_bytes(Json& object, const std::string& name, std::string_view bytes);
// For a person: quoted where it is not plain.
std::string shown(std::string_view bytes);
// About so many: "167.0 KiB".
std::string about(std::uint64_t bytes);
// A path, a message: one line, nothing that moves the cursor.
std::string harmless(std::string_view text);

}  // namespace kv::tools
