// Where answers and errors go, and what kind of place that is.
//
// Threads: one. Lifetime: the files outlive the console. Errors: a write that fails (a full disk, a closed pipe) is
// remembered and told by flush().
#pragma once

#include <cstdio>
#include <string_view>

namespace kv {

struct ConsoleKind {
  bool out_is_terminal = false;
  bool color = false;  // Of what goes to `error`.
};

class Console {
 public:
  Console(std::FILE* out, std::FILE* error, ConsoleKind kind) : out_(out), error_(error), kind_(kind) {}

  void out(std::string_view bytes);
  // One line, without its end. What was written to out() before is seen before it.
  void error(std::string_view line);
  void note(std::string_view line);  // The same, for what is no error.
  // False once something of out() could not be written.
  bool flush();

  bool out_is_terminal() const { return kind_.out_is_terminal; }

 private:
  std::FILE* const out_;
  std::FILE* const error_;
  const ConsoleKind kind_;
  bool failed_ = false;
};

}  // namespace kv
